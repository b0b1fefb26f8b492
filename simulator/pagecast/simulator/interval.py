"""How sure a figure is. A member's sessions stand or fall together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.96
"""Of a normal distribution: the middle 95 %."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval; None where nothing can be said: no data, or one member."""

    mean: float | None
    low: float | None
    high: float | None


def mean_by_member(totals: Sequence[float], counts: Sequence[float]) -> Estimate:
    """Mean of what is counted, from each member's total and count, aligned.

    Its interval takes members as drawn and what a member does as given (a ratio's linearisation);
    it is for tens of members and more.
    """
    count, members = math.fsum(counts), len(counts)
    if not count:
        return Estimate(mean=None, low=None, high=None)
    mean = math.fsum(totals) / count
    if members < 2:
        return Estimate(mean=mean, low=None, high=None)
    rests = (total - mean * n for total, n in zip(totals, counts, strict=True))
    variance = math.fsum(rest * rest for rest in rests) * members / (members - 1)
    half = Z * math.sqrt(variance) / count
    return Estimate(mean=mean, low=mean - half, high=mean + half)
