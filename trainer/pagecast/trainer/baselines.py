"""Honest opponents: recent popularity and a last-item counter, updated as events are revealed.

Letters: N entities of the catalog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.popularity import DecayedCounts
from pagecast.trainer.ranking import Tally
from pagecast.trainer.users import UserColumns

HALF_LIVES_DAYS = (0.25, 1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0)
"""Tried for recent popularity; the best on the training part is taken."""

VALIDATION_SHARE = 0.1
"""Share of the training steps, the newest, on which the half-life is chosen."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """All users' steps in time order; `entity_X` is a catalog index, -1 for what it lacks."""

    at_ms_X: npt.NDArray[np.int64]
    user_X: npt.NDArray[np.int64]
    entity_X: npt.NDArray[np.int64]
    target_X: npt.NDArray[np.bool_]
    entities: int

    def moments(self) -> Iterator[list[tuple[int, int, int, bool]]]:
        """Steps (time, user, entity, is a target) that happened at the same time."""
        steps = zip(
            self.at_ms_X.tolist(),
            self.user_X.tolist(),
            self.entity_X.tolist(),
            self.target_X.tolist(),
            strict=True,
        )
        for _, moment in groupby(steps, key=itemgetter(0)):
            yield list(moment)

    def known(self) -> "Timeline":
        """The steps that are no targets; the newest tenth of them as targets."""
        known = np.flatnonzero(~self.target_X)
        target = np.arange(len(known)) >= int(len(known) * (1.0 - VALIDATION_SHARE))
        return Timeline(
            at_ms_X=self.at_ms_X[known],
            user_X=self.user_X[known],
            entity_X=self.entity_X[known],
            target_X=target,
            entities=self.entities,
        )


def timeline(
    users: Sequence[UserColumns], new: Sequence[npt.NDArray[np.bool_]], entities: int
) -> Timeline:
    """Lays users' steps on one timeline; `new[u][i]` says that a step is a target."""
    at_ms = np.concatenate([u.at_ms_N for u in users])
    order = np.argsort(at_ms, kind="stable")
    return Timeline(
        at_ms_X=at_ms[order],
        user_X=np.repeat(np.arange(len(users)), [len(u.at_ms_N) for u in users])[order],
        entity_X=np.concatenate([u.entity_N for u in users])[order],
        target_X=np.concatenate(new)[order],
        entities=entities,
    )


class Baseline(Protocol):
    """Scores all entities for a user, knowing the steps revealed so far."""

    def scores(self, user: int) -> Scores: ...

    def reveal(self, at_ms: int, user: int, entity: int) -> None: ...


class RecentPopularity:
    """Counts that halve every `half_life_days`."""

    def __init__(self, entities: int, half_life_days: float) -> None:
        self._counts = DecayedCounts(entities, half_life_days)

    def scores(self, user: int) -> Scores:
        """The same for every user; only the order means anything."""
        del user
        return self._counts.score_N

    def reveal(self, at_ms: int, user: int, entity: int) -> None:
        del user
        self._counts.add(at_ms, entity)


class LastItemCounter:
    """How often each entity followed the user's last one; recent popularity breaks ties."""

    def __init__(self, entities: int, half_life_days: float) -> None:
        self._popularity = RecentPopularity(entities, half_life_days)
        self._followers: dict[int, Scores] = {}
        self._last: dict[int, int] = {}
        self._entities = entities

    def scores(self, user: int) -> Scores:
        score_N = self._popularity.scores(user)
        tie_N = score_N / (2.0 * max(float(score_N.max(initial=0.0)), 1e-300))
        followers_N = self._followers.get(self._last.get(user, -1))
        return tie_N if followers_N is None else followers_N + tie_N

    def reveal(self, at_ms: int, user: int, entity: int) -> None:
        if user in self._last:
            last = self._last[user]
            if last not in self._followers:
                self._followers[last] = np.zeros(self._entities)
            self._followers[last][entity] += 1.0
        self._last[user] = entity
        self._popularity.reveal(at_ms, user, entity)


def run(baseline: Baseline, timeline: Timeline) -> dict[bool, Tally]:
    """Predicts every target once, then reveals it; steps at one moment do not see each other.

    Returns tallies with the entities a user has seen left out (True) and with all (False).
    """
    tallies = {True: Tally(), False: Tally()}
    seen: dict[int, npt.NDArray[np.bool_]] = {}
    for moment in timeline.moments():
        for _, user, entity, is_target in moment:
            if is_target:
                score_N = baseline.scores(user)
                tallies[False].add(score_N, entity)
                tallies[True].add(score_N, entity, without_N=seen.get(user))
        for at_ms, user, entity, _ in moment:
            if entity >= 0:
                baseline.reveal(at_ms, user, entity)
                if user not in seen:
                    seen[user] = np.zeros(timeline.entities, np.bool_)
                seen[user][entity] = True
    return tallies


def best_half_life_days(steps: Timeline) -> float:
    """Chosen by NDCG@10 (seen left out) on the newest tenth of the training part."""
    trial = steps.known()
    quality = {
        days: run(RecentPopularity(steps.entities, days), trial)[True].ndcg
        for days in HALF_LIVES_DAYS
    }
    return max(HALF_LIVES_DAYS, key=quality.__getitem__)
