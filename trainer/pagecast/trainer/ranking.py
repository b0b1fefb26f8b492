"""Ranks among the whole catalog, and what is told of them.

Letters: N entities of the catalog.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Scores: TypeAlias = npt.NDArray[np.floating]
Mask: TypeAlias = npt.NDArray[np.bool_]

CUTOFF = 10
"""Ranks up to this count: what a row shows."""


@dataclass(slots=True)
class Tally:
    """Sums over targets; a target that cannot be ranked is a miss."""

    targets: int = 0
    hits: int = 0
    gain: float = 0.0

    def add(self, score_N: Scores, target: int, without_N: Mask | None = None) -> None:
        """Counts one target, -1 if the catalog lacks it; `without_N` cannot be predicted."""
        self.targets += 1
        place = rank(score_N, target, without_N)
        if place is not None and place <= CUTOFF:
            self.hits += 1
            self.gain += 1.0 / math.log2(1 + place)

    @property
    def hr(self) -> float:
        """HR@10."""
        return self.hits / max(self.targets, 1)

    @property
    def ndcg(self) -> float:
        """NDCG@10 of one target a prediction."""
        return self.gain / max(self.targets, 1)


def rank(score_N: Scores, target: int, without_N: Mask | None = None) -> int | None:
    """1 for the best; entities with an equal score count as better. None: not among them."""
    if target < 0 or (without_N is not None and without_N[target]):
        return None
    above_N = score_N >= score_N[target]
    if without_N is not None:
        above_N &= ~without_N
    return int(np.count_nonzero(above_N))
