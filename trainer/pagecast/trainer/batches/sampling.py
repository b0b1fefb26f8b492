"""Sampled softmax: a batch with the few entities it needs, whatever the size of the catalog.

Letters: E entities of the catalog, X those of a batch, N drawn ones, K targets, B windows,
L positions.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.batches.batch import NOTHING, PackedBatch
from pagecast.trainer.batches.targets import Targets


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    """A batch whose entities are indices of X instead of the catalog's.

    `entity_X` are catalog indices, none twice: first the batch's own (histories, pages, targets),
    then the drawn ones. `offset_X` is added to logits: a softmax over X then estimates one over the
    catalog.

    The catalog is two strata. The batch's own entities are in X for certain: offset 0. Of the other
    E - O, n are drawn evenly, without repetition, and each stands for (E - O) / n of them:
    its logit gets the logarithm of that, which is minus log Q for Q the chance to be in X. The
    exponentials then add up to what the catalog's would in expectation, whatever the batch; with
    all others drawn, exactly. A drawn entity is never a target or another of the batch, so there
    are no accidental hits to mask.
    """

    batch: PackedBatch
    entity_X: npt.NDArray[np.int64]
    offset_X: npt.NDArray[np.float32]


def narrow(batch: PackedBatch, entities: int, negatives: int, rng: np.random.Generator) -> Narrowed:
    """Narrows a batch of a catalog of `entities` to its own and at most `negatives` drawn ones.

    Takes as long for a large catalog as for a small one.
    """
    history, pages = batch.history.entity_K, batch.pages.entity_K
    fed, valued = np.append(batch.entity_BL, batch.old_entity_GM), batch.values.entities
    fed = fed[fed != NOTHING]
    own_O = np.unique(np.concatenate([fed, history, pages, valued.token_V]))
    others = entities - len(own_O)
    drawn_N = _others(own_O, rng.choice(others, min(negatives, others), replace=False))
    offset_X = np.zeros(len(own_O) + len(drawn_N), np.float32)
    if len(drawn_N):
        offset_X[len(own_O) :] = np.log(others / len(drawn_N))
    narrowed = dataclasses.replace(
        batch,
        entity_BL=_of_fed(batch.entity_BL, own_O),
        old_entity_GM=_of_fed(batch.old_entity_GM, own_O),
        history=_narrowed(batch.history, own_O),
        pages=_narrowed(batch.pages, own_O),
        values=dataclasses.replace(
            batch.values,
            entities=dataclasses.replace(valued, token_V=np.searchsorted(own_O, valued.token_V)),
        ),
    )
    return Narrowed(batch=narrowed, entity_X=np.concatenate([own_O, drawn_N]), offset_X=offset_X)


def _others(own_O: npt.NDArray[np.int64], rank_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Catalog indices by their rank among those that are not in `own_O`, which is sorted."""
    before_O = own_O - np.arange(len(own_O))
    others_N: npt.NDArray[np.int64] = rank_N + np.searchsorted(before_O, rank_N, side="right")
    return others_N


def _of_fed(entity: npt.NDArray[np.int64], own_O: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.where(entity == NOTHING, NOTHING, np.searchsorted(own_O, entity))


def _narrowed(targets: Targets, own_O: npt.NDArray[np.int64]) -> Targets:
    return dataclasses.replace(targets, entity_K=np.searchsorted(own_O, targets.entity_K))
