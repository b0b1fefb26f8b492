"""How sure a figure is. A member's sessions stand or fall together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev

Z = 1.96
"""Of a normal distribution: the middle 95 %."""

T_BY_FREEDOM = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Of Student's t: the middle 95 % with one degree of freedom, two, and so on. More degrees take the
last, which is a little too wide."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval; None where nothing can be said: no data, or one member."""

    mean: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(mean=None, low=None, high=None)


def mean_by_member(totals: Sequence[float], counts: Sequence[float]) -> Estimate:
    """Mean of what is counted, from each member's total and count, aligned.

    Its interval treats members as drawn and what a member does as given (a ratio's linearisation);
    it is for tens of members or more.
    """
    count, members = math.fsum(counts), len(counts)
    if not count:
        return NOTHING
    mean = math.fsum(totals) / count
    if members < 2:
        return Estimate(mean=mean, low=None, high=None)
    rests = (total - mean * n for total, n in zip(totals, counts, strict=True))
    variance = math.fsum(rest * rest for rest in rests) * members / (members - 1)
    half = Z * math.sqrt(variance) / count
    return Estimate(mean=mean, low=mean - half, high=mean + half)


def mean_of_few(values: Sequence[float]) -> Estimate:
    """Mean of values that were drawn alike and independently, by Student's t: for a few of them."""
    count = len(values)
    if not count:
        return NOTHING
    mean = math.fsum(values) / count
    if count < 2:
        return Estimate(mean=mean, low=None, high=None)
    t = T_BY_FREEDOM[min(count - 1, len(T_BY_FREEDOM)) - 1]
    half = t * stdev(values) / math.sqrt(count)
    return Estimate(mean=mean, low=mean - half, high=mean + half)
