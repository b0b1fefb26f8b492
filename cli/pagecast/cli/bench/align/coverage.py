"""How often the interval of an off-policy estimate holds what the target truly earns.

Made-up slates: a policy draws three of twelve entities one after the other; targets are at growing
distances from it. The truth is the mean of 400,000 slates of the target's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pagecast.cli.bench.align.slates import Slates
from pagecast.featurestore.experiments.off_policy import OffPolicyReport, estimate_off_policy

SEED, PAGES = 5, 2_000
"""Of the slates; pages of a log, two of each user."""

DISTANCES = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0)

RUNS = 100


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """One estimator at one distance; shares are of the runs."""

    distance: float
    truth: float
    estimator: str
    inside: float
    bias: float
    deviation: float
    effective: float
    """Median effective sample size, in pages."""
    warned: float
    inside_unwarned: float | None
    """`inside` of the runs without a warning; None if all warned."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def coverage(runs: int = RUNS, distances: Sequence[float] = DISTANCES) -> list[Coverage]:
    """Takes half a second for a hundred runs at one distance."""
    return [row for distance in distances for row in _at(distance, runs)]


def _at(distance: float, runs: int) -> Iterator[Coverage]:
    slates = Slates(seed=SEED, distance=distance)
    truth = slates.truth()
    found = [estimate_off_policy(slates.log(PAGES, number)) for number in range(runs)]
    for number, one in enumerate(found[0].estimates):
        yield _of_estimator(distance, truth, one.estimator, number, found)


def _of_estimator(
    distance: float, truth: float, name: str, number: int, found: Sequence[OffPolicyReport]
) -> Coverage:
    values = np.array([report.estimates[number].value for report in found])
    inside = [truth in report.estimates[number].interval for report in found]
    unwarned = [held for held, report in zip(inside, found, strict=True) if not report.warnings]
    return Coverage(
        distance=distance,
        truth=truth,
        estimator=name,
        inside=float(np.mean(inside)),
        bias=float(values.mean() - truth),
        deviation=float(values.std()),
        effective=float(np.median([report.effective for report in found])),
        warned=float(np.mean([bool(report.warnings) for report in found])),
        inside_unwarned=float(np.mean(unwarned)) if unwarned else None,
    )
