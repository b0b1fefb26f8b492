"""Which entities compete at a position: not those that the rules will have masked there.

A row offers nobody what they have watched, nor what stands on the page (`pagecast.rules`), so
a softmax against these would train the model to tell apart what it is never asked to. Rows that
continue what was begun are the exception, and so is whoever watches again: where a target is itself
among what was seen, everything competes.

Letters: B windows, L positions, J hidden positions that predict an entity, K targets of J, N pairs.
"""

import numpy as np
import numpy.typing as npt

from pagecast.trainer.batch import NOTHING, PackedBatch, Targets

Ints = npt.NDArray[np.int64]


def out_of_competition(
    batch: PackedBatch, targets: Targets, mask_BLL: npt.NDArray[np.bool_]
) -> tuple[Ints, Ints]:
    """`of_N` and `entity_N`: at the position `targets.at_J[of_N]`, `entity_N` does not compete.

    `mask_BLL` is the batch's: what a position sees of entities, in the history and on its page, has
    been watched or placed.
    """
    window_J, position_J = np.divmod(targets.at_J, batch.page_BL.shape[1])
    entity_JL = batch.entity_BL[window_J]
    seen_JL = mask_BLL[window_J, position_J] & (entity_JL != NOTHING)
    of_N, at_N = np.nonzero(seen_JL)
    entity_N = entity_JL[of_N, at_N]
    again_J = np.zeros(len(targets.at_J), np.bool_)
    again_J[targets.of_K[_among(targets, of_N, entity_N)]] = True
    keep_N = ~again_J[of_N]
    return of_N[keep_N], entity_N[keep_N]


def _among(targets: Targets, of_N: Ints, entity_N: Ints) -> npt.NDArray[np.bool_]:
    """Which targets are among the pairs."""
    entities = 1 + max(targets.entity_K.max(initial=0), entity_N.max(initial=0))
    among_K: npt.NDArray[np.bool_] = np.isin(
        targets.of_K * entities + targets.entity_K, of_N * entities + entity_N
    )
    return among_K
