"""What is true of entities, whether they are in the data or launched later; the platform never
learns it.

Letters: E entities of the data, K factors, G genres.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import SimulatorConfig
from pagecast.simulator.data import Floats, TrainingData
from pagecast.simulator.tastes import Tastes, factorise

DAY_MS = 86_400_000

MINUTES_MIN = 10.0
"""Shortest running time: a draw from the tail is no film."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of one entity."""

    genres: tuple[str, ...]
    factors_K: Floats
    appeal: float
    """Mean 0, deviation 1."""
    minutes: float
    launched_ms: int | None = None
    """None for what was there before."""


class World:
    """Entities by id; grows by launches, and never during a day."""

    def __init__(self, data: TrainingData, config: SimulatorConfig, chance: Chance) -> None:
        self.config, self.data = config, data
        self.tastes: Tastes = factorise(data, config.appetite.factors)
        self._chance = chance.below("world")
        self.by_id = {
            entity_id: Truth(
                genres=data.genres[e],
                factors_K=self.tastes.entity_EK[e],
                appeal=float(self.tastes.appeal_E[e]),
                minutes=self._minutes(entity_id),
            )
            for e, entity_id in enumerate(data.entity_ids)
        }
        self.genre_counts = _counts(data.genres)
        self.genre_factors = {
            genre: np.mean(
                [self.tastes.entity_EK[e] for e, of in enumerate(data.genres) if genre in of],
                axis=0,
            )
            for genre in self.genre_counts
        }

    def launch(self, entity_id: str, genres: Sequence[str], at_ms: int) -> Truth:
        """A new entity: where its genres are, and some way off."""
        chance, spread = self._chance.below("launch", entity_id), self.config.launches.spread
        deviation_K = self.tastes.entity_deviation_K
        mean_K = np.mean([self.genre_factors[genre] for genre in genres], axis=0)
        off_K = np.array([chance.normal("factor", k) for k in range(len(deviation_K))])
        truth = Truth(
            genres=tuple(genres),
            factors_K=mean_K + spread * deviation_K * off_K,
            appeal=chance.normal("appeal"),
            minutes=self._minutes(entity_id),
            launched_ms=at_ms,
        )
        self.by_id[entity_id] = truth
        return truth

    def affinity(self, taste_K: Floats, truth: Truth) -> float:
        """Taste for an entity; mean 0 and deviation 1 over people and entities of the data."""
        return float(taste_K @ truth.factors_K)

    def novelty(self, truth: Truth, at_ms: int) -> float:
        """What being new adds to an entity's utility."""
        if truth.launched_ms is None:
            return 0.0
        launches = self.config.launches
        days = max(0.0, (at_ms - truth.launched_ms) / DAY_MS)
        return launches.novelty * float(0.5 ** (days / launches.novelty_days))

    def _minutes(self, entity_id: str) -> float:
        watching = self.config.watching
        off = watching.feature_spread * self._chance.normal("minutes", entity_id)
        return max(MINUTES_MIN, watching.feature_minutes * math.exp(off))


def _counts(genres: Iterable[Sequence[str]]) -> dict[str, float]:
    """Entities by genre, in the order of the genres' names."""
    counts: dict[str, float] = {}
    for of_entity in genres:
        for genre in of_entity:
            counts[genre] = counts.get(genre, 0.0) + 1.0
    return dict(sorted(counts.items()))
