"""What users are compared by: sums over their pages, and the most that one user counts for.

A difference of means is only as sure as its loudest user lets it be: one program that clicks all it
is shown would hide any lift of thousands of people. So each user's sums are cut at bounds that are
set before anything is seen, the same in all arms. They are a day's, and grow with the period.
"""

from collections.abc import Iterable

import numpy as np

from pagecast.featurestore.experiments.assignment import DAY_MS
from pagecast.featurestore.experiments.comparison import Floats
from pagecast.featurestore.pages.logged_pages import EntityOutcome
from pagecast.featurestore.pages.reward import RewardConfig

METRICS = ("page_reward", "clicks", "completed_plays")
"""Sums over a user's pages; the first one decides, the others explain."""

BEST_OF_DAY_MAX = 20
"""The most that a user's page reward of a day counts, up or down, in entities of the table's
greatest worth: more binges than fit in a day."""

CLICKS_OF_DAY_MAX = 100
"""The most clicks that a user counts for in a day: more than a person makes. If a program among
2,000 users counts with its thousands, a lift of a fifth cannot be seen; with 100 it can."""

COMPLETED_OF_DAY_MAX = 20
"""The most completed plays that a user counts for in a day: one an hour, with four hours of
sleep."""


PAGES_OF_DAY_MAX = 100
"""Pages of a user that count per day of a period: a user, or a program, that asks for pages all day
must not outweigh the rest."""


def metrics_of(entities: Iterable[EntityOutcome], rewards: RewardConfig) -> tuple[float, ...]:
    """METRICS of a record's entities."""
    outcomes = tuple(entities)
    return (
        rewards.of_page(outcomes),
        float(sum(entity.clicked for entity in outcomes)),
        float(sum(entity.completed for entity in outcomes)),
    )


def bounds_of(period_ms: int, rewards: RewardConfig) -> Floats:
    """The most that a user counts for in a period, by METRICS. Shape (M,)."""
    best = max(abs(worth) for worth in rewards.table.values())
    of_day_M = np.array([BEST_OF_DAY_MAX * best, CLICKS_OF_DAY_MAX, COMPLETED_OF_DAY_MAX])
    bound_M: Floats = of_day_M * _days(period_ms)
    return bound_M


def pages_max(period_ms: int) -> int:
    """Pages of a user that count in a period, the first ones."""
    return round(PAGES_OF_DAY_MAX * _days(period_ms))


def _days(period_ms: int) -> float:
    """A period shorter than a day counts as one: all that is done that day may fall into it."""
    return max(1.0, period_ms / DAY_MS)
