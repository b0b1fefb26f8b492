"""EASE of some interactions: which entities, how often lately, and together with which.

Letters: X interactions, C entities of EASE, U users.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.systems.co_occurrence import Matrix, count_together
from pagecast.trainer.evaluation.systems.ease import ease_weights
from pagecast.trainer.multi_stage.config import ENTITIES_MAX

DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """`entity_C` are indices of the interactions' entities, growing; `count_C` decayed counts."""

    entity_C: npt.NDArray[np.int64]
    count_C: npt.NDArray[np.float64]
    together_CC: Matrix

    def weights(self, regularisation: float) -> npt.NDArray[np.float32]:
        """EASE's matrix [C, C]."""
        return ease_weights(self.together_CC, regularisation).astype(np.float32)


def counted(data: Interactions, some_X: npt.NDArray[np.int64], half_life_days: float) -> Counted:
    """Counts the interactions `some_X`, which are ordered as the data are."""
    entity_X, at_ms_X = data.entity_X[some_X], data.at_ms_X[some_X]
    entity_C = _most_taken_up(entity_X)
    column_N = np.full(len(data.entities), -1, np.int64)
    column_N[entity_C] = np.arange(len(entity_C))
    kept_X = column_N[entity_X] >= 0
    column_X = column_N[entity_X[kept_X]]
    age_days_X = (at_ms_X.max(initial=0) - at_ms_X[kept_X]) / DAY_MS
    weight_X = 0.5 ** (age_days_X / half_life_days)
    return Counted(
        entity_C=entity_C,
        count_C=np.bincount(column_X, weights=weight_X, minlength=len(entity_C)).astype(np.float64),
        together_CC=count_together(data.user_X[some_X][kept_X], column_X, len(entity_C)),
    )


def _most_taken_up(entity_X: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    entities, counts = np.unique(entity_X, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:ENTITIES_MAX]
    return np.sort(entities[most])


def popularity_until(
    data: Interactions, moments_ms: list[int], half_life_days: float
) -> Iterator[npt.NDArray[np.float64]]:
    """Decayed counts [N] of the strictly earlier interactions, at moments that grow."""
    order_X = data.in_time_order()
    at_ms_X = data.at_ms_X[order_X]
    score_N, as_of_ms, begin = np.zeros(len(data.entities)), 0, 0
    for moment_ms in moments_ms:
        end = int(np.searchsorted(at_ms_X, moment_ms, side="left"))
        new_X = order_X[begin:end]
        age_days_X = (moment_ms - data.at_ms_X[new_X]) / DAY_MS
        score_N = score_N * 0.5 ** ((moment_ms - as_of_ms) / DAY_MS / half_life_days)
        np.add.at(score_N, data.entity_X[new_X], 0.5 ** (age_days_X / half_life_days))
        as_of_ms, begin = moment_ms, end
        yield score_N
