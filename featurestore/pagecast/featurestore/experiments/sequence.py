"""Intervals that stay valid however often one looks: asymptotic confidence sequences.

A report is read every day, and an experiment is stopped when it looks good: then a fixed-time
interval is wrong far more often than its 5 %. These hold at all times together (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 2024, theorem 2.2 and section 2.4), for means of any distribution
with a little more than a variance, once there are enough users.
"""

import math
from dataclasses import dataclass

USERS_MIN = 100
"""Users of each arm before there is an interval: with fewer the limit theorem says nothing, and in
simulation rare outcomes such as completed plays gave intervals that were too narrow."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Low and high end of an interval, in the figure's unit."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class SequenceConfig:
    """How sure, and where the sequence is narrowest. Raises ValueError."""

    alpha: float = 0.05
    """Chance that the sequence ever misses the truth."""
    narrow_at: int = 2_000
    """Users at which the interval is narrowest, relative to a fixed-time one. It changes the width
    at other counts little, and the validity not at all; choose it before looking."""
    users_min: int = USERS_MIN
    """Users of each arm before there is an interval."""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}, must be between 0 and 1")
        if self.narrow_at < 1 or self.users_min < 2:
            raise ValueError("narrow_at must be at least 1, users_min at least 2")

    def shared_by(self, comparisons: int) -> "SequenceConfig":
        """For each of several comparisons that should all hold together (Bonferroni)."""
        return SequenceConfig(
            alpha=self.alpha / comparisons, narrow_at=self.narrow_at, users_min=self.users_min
        )


ORDINARY = SequenceConfig()
"""95 %, unless told otherwise."""


def radius(users: int, variance: float, config: SequenceConfig = ORDINARY) -> float:
    """Half the width around the mean of `users` values with this variance; at least one user."""
    tight = -2 * math.log(config.alpha)
    rho2 = (tight + math.log(tight) + 1) / config.narrow_at if tight > 1 else 1 / config.narrow_at
    mixed = users * rho2 + 1
    width2 = 2 * mixed / (users**2 * rho2) * math.log(math.sqrt(mixed) / config.alpha)
    return math.sqrt(variance * width2)
