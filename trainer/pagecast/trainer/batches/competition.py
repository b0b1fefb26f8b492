"""Which entities compete at a position: not those that the rules mask there.

A row offers nobody what they have watched, nor what stands on the page (`pagecast.rules`), so a
softmax against these would train the model to tell apart what it is never asked to. Rows that
continue what was begun are the exception, and so is watching again: where a target is itself among
what was seen, everything competes.

Letters: B windows, L positions, J hidden positions that predict an entity, K targets of J, E
entities.
"""

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.vocabulary import FIELDS, SEGMENT_LIVE, SEGMENT_NEW
from pagecast.trainer.batches.batch import NOTHING, PackedBatch
from pagecast.trainer.batches.targets import Targets

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SEGMENT = FIELDS.index("segment")


def out_of_competition(batch: PackedBatch, targets: Targets, entities: int) -> Bools:
    """`out_JE`: true where, at the position `targets.at_J[j]`, one of E entities does not compete.

    What a position sees of entities, in the history and on its page, has been watched or placed.
    Steps that a model compresses are not looked into.
    """
    window_J, position_J = np.divmod(targets.at_J, batch.page_BL.shape[1])
    entity_JL = _watched_or_placed(batch)[window_J]
    of_N, at_N = np.nonzero(batch.mask_BLL[window_J, position_J] & (entity_JL != NOTHING))
    out_JE = np.zeros((len(targets.at_J), entities), np.bool_)
    out_JE[of_N, entity_JL[of_N, at_N]] = True
    again_K = out_JE[targets.of_K, targets.entity_K]
    out_JE[targets.of_K[again_K]] = False
    return out_JE


def _watched_or_placed(batch: PackedBatch) -> Ints:
    """`entity_BL` without new and live entities, which a context names and nobody has watched."""
    entity_BL = batch.entity_BL.copy()
    history = batch.fields_BTF.shape[1]
    entity_BL[:, :history][_names(batch.fields_BTF)] = NOTHING
    window_X, position_X = np.divmod(batch.tail_at_X, entity_BL.shape[1])
    named_X = _names(batch.tail_fields_XF)
    entity_BL[window_X[named_X], position_X[named_X]] = NOTHING
    return entity_BL


def _names(fields: Ints) -> Bools:
    named: Bools = np.isin(fields[..., _SEGMENT], (SEGMENT_NEW, SEGMENT_LIVE))
    return named
