"""Item-kNN: an entity is scored by its likeness to those of the history (Sarwar et al. 2001).

Letters: C entities of the fit part, Q requests, N entities.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.co_occurrence import CoOccurrence, Matrix
from pagecast.trainer.evaluation.systems.system import Candidate, Scores, Told

NEIGHBOURS = (20, 50, 100, 200, 500, 1000)
SHRINKAGES = (0.0, 10.0, 50.0, 100.0)
"""Tried on validation."""


class ItemKnn:
    """Cosine of two entities' users, shrunk where few users are behind it."""

    learns = False

    def __init__(self, shared: CoOccurrence, *, neighbours: int, shrinkage: float) -> None:
        self._shared = shared
        self._neighbours, self._shrinkage = neighbours, shrinkage

    def fit(self, part: FitPart, told: Told) -> None:
        del told
        self._shared.fit(part)
        self._alike_CC = _alike(self._shared.together_CC, self._neighbours, self._shrinkage)

    def retrain(self, part: FitPart) -> None:
        """Fitted anew: it takes a second."""
        self.fit(part, lambda _: None)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._shared.scores(requests, self._alike_CC)

    def reveal(self, interaction: int) -> None:
        """Learns nothing after the fit."""


def _alike(together_CC: Matrix, neighbours: int, shrinkage: float) -> Matrix:
    """Column c holds the likeness of the `neighbours` entities most like c, zero for others."""
    length_C = np.sqrt(np.diag(together_CC))
    alike_CC = together_CC / (np.outer(length_C, length_C) + shrinkage)
    np.fill_diagonal(alike_CC, 0.0)
    far = len(alike_CC) - neighbours
    if far > 0:
        away_CC = np.argpartition(alike_CC, far, axis=0)[:far]
        np.put_along_axis(alike_CC, away_CC, 0.0, axis=0)
    return alike_CC


def item_knn_candidates(seed: int) -> list[Candidate]:
    """One for each number of neighbours and shrinkage; nothing is drawn."""
    del seed
    shared = CoOccurrence()
    return [
        Candidate(
            chosen={"neighbours": neighbours, "shrinkage": shrinkage},
            make=partial(ItemKnn, shared, neighbours=neighbours, shrinkage=shrinkage),
        )
        for neighbours in NEIGHBOURS
        for shrinkage in SHRINKAGES
    ]
