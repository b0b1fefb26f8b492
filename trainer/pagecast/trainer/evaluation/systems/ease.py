"""EASE, a linear autoencoder in closed form (Steck, WWW 2019), with equal or recent histories.

Letters: C entities of the fit part, Q requests, N entities.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.co_occurrence import CoOccurrence, Matrix
from pagecast.trainer.evaluation.systems.system import Candidate, Scores, Told

LAMBDAS = (100.0, 200.0, 300.0, 500.0, 1000.0)
"""Regularisation, in users; tried on validation."""

HALVES = (2.0, 5.0, 10.0, 20.0)
"""After how many newer interactions one weighs half as much; tried on validation."""


class EaseWeights:
    """`weight_CC` of the fit part and lambda asked for last: only one such matrix is held."""

    def __init__(self) -> None:
        self.counted = CoOccurrence()
        self._lambda: float | None = None

    def of(self, part: FitPart, regularisation: float) -> Matrix:
        if self.counted.fit(part) or regularisation != self._lambda:
            self._weight_CC = ease_weights(self.counted.together_CC, regularisation)
            self._lambda = regularisation
        return self._weight_CC


def ease_weights(together_CC: Matrix, regularisation: float) -> Matrix:
    """B = -P / diag(P) with a zero diagonal, P the inverse of the regularised co-occurrence."""
    inverse_CC = np.linalg.inv(together_CC + regularisation * np.eye(len(together_CC)))
    weight_CC: Matrix = -inverse_CC / np.diag(inverse_CC)
    np.fill_diagonal(weight_CC, 0.0)
    return weight_CC


class Ease:
    """Histories are binary, or with `half` weigh 0.5^(rank / half), rank 0 for the newest."""

    learns = False

    def __init__(
        self, shared: EaseWeights, *, regularisation: float, half: float | None = None
    ) -> None:
        self._shared = shared
        self._lambda, self._half = regularisation, half

    def fit(self, part: FitPart, told: Told) -> None:
        del told
        self._weight_CC = self._shared.of(part, self._lambda)

    def retrain(self, part: FitPart) -> None:
        """Fitted anew: it takes a second."""
        self.fit(part, lambda _: None)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._shared.counted.scores(requests, self._weight_CC, self._half)

    def reveal(self, interaction: int) -> None:
        """Learns nothing after the fit; histories grow all the same."""


def ease_candidates(seed: int) -> list[Candidate]:
    """One for each lambda; nothing is drawn."""
    del seed
    shared = EaseWeights()
    return [
        Candidate(chosen={"lambda": value}, make=partial(Ease, shared, regularisation=value))
        for value in LAMBDAS
    ]


def ease_recency_candidates(seed: int) -> list[Candidate]:
    """One for each lambda and half; nothing is drawn."""
    del seed
    shared = EaseWeights()
    return [
        Candidate(
            chosen={"lambda": value, "half": half},
            make=partial(Ease, shared, regularisation=value, half=half),
        )
        for value in LAMBDAS
        for half in HALVES
    ]
