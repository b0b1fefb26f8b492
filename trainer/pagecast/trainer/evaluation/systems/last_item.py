"""The last-item counter: what followed the entity that a user chose last.

Letters: Q requests, N entities.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import numpy as np

from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.popularity import (
    HALF_LIVES_DAYS,
    Popularity,
    half_life_chosen,
)
from pagecast.trainer.evaluation.systems.system import Candidate, Scores, Told

TIE_SHARE = 0.5
"""Popularity's largest score: below the 1 that separates two counts."""

_LEAST = 1e-300
"""Instead of dividing by a maximum of zero."""


class LastItemCounter:
    """How often each entity followed a user's last one; recent popularity breaks ties."""

    learns = True

    def __init__(self, half_life_days: float) -> None:
        self._popularity = Popularity(half_life_days)

    def fit(self, part: FitPart, told: Told) -> None:
        self._data = part.data
        self._followers: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._last: dict[int, int] = {}
        self._popularity.fit(part, told)
        for interaction in part.interactions().tolist():
            self._follow(interaction)

    def scores(self, requests: Sequence[Request]) -> Scores:
        tie_N = self._popularity.score_N
        tie_N = tie_N * (TIE_SHARE / max(float(tie_N.max(initial=0.0)), _LEAST))
        score_QN = np.tile(tie_N, (len(requests), 1))
        for score_N, request in zip(score_QN, requests, strict=True):
            if len(request.history_H):
                for entity, count in self._followers.get(int(request.history_H[-1]), {}).items():
                    score_N[entity] += count
        return score_QN

    def reveal(self, interaction: int) -> None:
        self._popularity.reveal(interaction)
        self._follow(interaction)

    def _follow(self, interaction: int) -> None:
        user, entity = int(self._data.user_X[interaction]), int(self._data.entity_X[interaction])
        if user in self._last:
            self._followers[self._last[user]][entity] += 1.0
        self._last[user] = entity


def last_item_candidates(seed: int) -> list[Candidate]:
    """One for each half-life of the popularity that breaks ties; nothing is drawn."""
    del seed
    return [
        Candidate(chosen=half_life_chosen(days), make=partial(LastItemCounter, days))
        for days in HALF_LIVES_DAYS
    ]
