"""Ranks of targets among all entities, and the figures made of them.

Letters: Q requests of a batch, N entities, T targets.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.protocols.interactions import Ints
from pagecast.trainer.evaluation.systems.system import Scores

CUTOFF = 10
"""Ranks up to this count: what a row shows."""

MISS = 0
"""Rank of a target that was not among those ranked."""

TARGETS_TOGETHER = 1024
"""Targets ranked at a time: bounds memory where times are whole days, and moments hold many."""

Gains = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """1 is best, MISS is none. Masked: entities of the visible history are left out."""

    masked_T: Ints
    unmasked_T: Ints


def ranks(score_QN: Scores, seen_QN: npt.NDArray[np.bool_], of_T: Ints, target_T: Ints) -> Ranks:
    """Ranks targets; `of_T` is each one's request in the batch.

    Equal scores count as better. A target with -inf is a miss, and so, masked, is a seen one.
    Raises ValueError if a score is no number: it would rank above everything.
    """
    if np.isnan(score_QN).any():
        raise ValueError("a score is not a number")
    parts = []
    for begin in range(0, len(of_T), TARGETS_TOGETHER):
        some = slice(begin, begin + TARGETS_TOGETHER)
        parts.append(_ranks(score_QN, seen_QN, of_T[some], target_T[some]))
    return Ranks(
        masked_T=np.concatenate([part.masked_T for part in parts]),
        unmasked_T=np.concatenate([part.unmasked_T for part in parts]),
    )


def _ranks(score_QN: Scores, seen_QN: npt.NDArray[np.bool_], of_T: Ints, target_T: Ints) -> Ranks:
    order_T = np.arange(len(of_T))
    score_TN, seen_TN = score_QN[of_T], seen_QN[of_T]
    own_T = score_TN[order_T, target_T]
    above_TN = score_TN >= own_T[:, None]
    unmasked_T = above_TN.sum(1).astype(np.int64)
    masked_T = unmasked_T - (above_TN & seen_TN).sum(1)
    unmasked_T[np.isneginf(own_T)] = MISS
    masked_T[np.isneginf(own_T) | seen_TN[order_T, target_T]] = MISS
    return Ranks(masked_T=masked_T, unmasked_T=unmasked_T)


def ndcg_gains(rank_T: Ints) -> Gains:
    """What each target adds to NDCG@10, one target a prediction."""
    hit_T = hit_gains(rank_T) > 0
    gain_T: Gains = hit_T / np.log2(1.0 + np.maximum(rank_T, 1))
    return gain_T


def hit_gains(rank_T: Ints) -> Gains:
    """What each target adds to HR@10."""
    hit_T: Gains = ((rank_T != MISS) & (rank_T <= CUTOFF)).astype(np.float64)
    return hit_T


def reciprocal_ranks(rank_T: Ints) -> Gains:
    """What each target adds to MRR, which has no cut-off."""
    gain_T: Gains = (rank_T != MISS) / np.maximum(rank_T, 1)
    return gain_T
