"""Recent popularity: the same scores for everyone.

Letters: Q requests, N entities, X interactions.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.pages.page_asked import MakePage
from pagecast.trainer.evaluation.pages.page_making import popular_pages
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.system import Candidate, Chosen, Scores, Told

DAY_MS = 86_400_000

HALF_LIVES_DAYS = (0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0, math.inf)
"""Tried on validation; infinite is plain popularity."""

RESCALE_HALVINGS = 200.0
"""New counts grow instead of old ones shrinking; here all are scaled down: no float overflows."""


def half_life_chosen(half_life_days: float) -> Chosen:
    """As it is reported: JSON has no infinity."""
    return {"half_life_days": half_life_days if math.isfinite(half_life_days) else "infinite"}


def half_life_days(chosen: Chosen) -> float:
    """What `half_life_chosen` reports, as a number."""
    days = chosen["half_life_days"]
    return math.inf if isinstance(days, str) else days


class DecayedCounts:
    """Counts by entity that halve every `half_life_days`; only their order means anything.

    An interaction at the origin, the first that is added, counts 1.
    """

    def __init__(self, entities: int, half_life_days: float) -> None:
        self.score_N = np.zeros(entities)
        self._half_life_ms = half_life_days * DAY_MS
        self._origin_ms: int | None = None

    def add(self, at_ms: int, entity: int) -> None:
        """Counts one interaction, which should not be much older than those before it."""
        if self._origin_ms is None:
            self._origin_ms = at_ms
        halvings = (at_ms - self._origin_ms) / self._half_life_ms
        if halvings > RESCALE_HALVINGS:
            self.score_N *= 2.0**-halvings
            self._origin_ms, halvings = at_ms, 0.0
        self.score_N[entity] += 2.0**halvings

    def add_all(self, at_ms_X: npt.NDArray[np.int64], entity_X: npt.NDArray[np.int64]) -> None:
        """Counts many at once, before any other; the newest of them is the origin."""
        if len(at_ms_X):
            self._origin_ms = int(at_ms_X.max())
            weight_X = 2.0 ** ((at_ms_X - self._origin_ms) / self._half_life_ms)
            np.add.at(self.score_N, entity_X, weight_X)


class Popularity:
    """How often entities were chosen, the recent counting more."""

    learns = True
    says_probabilities = False

    def __init__(self, half_life_days: float) -> None:
        self._half_life_days = half_life_days

    def fit(self, part: FitPart, told: Told) -> None:
        del told
        self._data, fit_X = part.data, part.interactions()
        self._counts = DecayedCounts(len(self._data.entities), self._half_life_days)
        self._counts.add_all(self._data.at_ms_X[fit_X], self._data.entity_X[fit_X])

    @property
    def score_N(self) -> npt.NDArray[np.float64]:
        return self._counts.score_N

    def scores(self, requests: Sequence[Request]) -> Scores:
        return np.broadcast_to(self.score_N, (len(requests), len(self.score_N)))

    def reveal(self, interaction: int) -> None:
        data = self._data
        self._counts.add(int(data.at_ms_X[interaction]), int(data.entity_X[interaction]))

    def pages(self) -> AbstractContextManager[MakePage]:
        """The server's page without a model: its half-life, not the one chosen here."""
        return popular_pages()


def popularity_candidates(seed: int) -> list[Candidate]:
    """One for each half-life; nothing is drawn."""
    del seed
    return [
        Candidate(chosen=half_life_chosen(days), make=partial(Popularity, days))
        for days in HALF_LIVES_DAYS
    ]
