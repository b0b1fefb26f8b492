"""One contender beside another, visited by the same members with the same luck.

Letters: M members, of all seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pagecast.simulator.interval import NOTHING, Estimate, Z, mean_of_few
from pagecast.trainer.benchmarks.cells import Figures

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lift:
    """Figures per session, or by what `per` named; `difference` and `lift` have 95 % intervals over
    members, paired."""

    metric: str
    contender: str
    beside: str
    members: int
    ours: float
    theirs: float
    difference: Estimate
    lift: Estimate
    """The difference as a share of `theirs`; NOTHING if that is not above 0."""
    by_seed: tuple[float | None, ...]
    """The lift of each seed's models and members alone."""
    over_seeds: Estimate
    """Mean of `by_seed`. Its interval allows for other trainings and other members; those above
    take the trained models as given. NOTHING if a seed has no lift."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def lift(
    metric: str,
    names: tuple[str, str],
    ours: Sequence[Figures],
    theirs: Sequence[Figures],
    *,
    per: str = "sessions",
) -> Lift:
    """The lift between two contenders' cells, seed by seed. Each metric is a ratio of sums over
    members: of the metric, by `per`.

    The interval comes from the ratios' linearisation, in which a member counts once; pairing
    removes what both contenders' pages have in common.
    """
    by_seed = tuple(
        _share(metric, one, other, per) for one, other in zip(ours, theirs, strict=True)
    )
    mean, rest_M = _ratio(metric, ours, per)
    other, other_rest_M = _ratio(metric, theirs, per)
    difference = mean - other
    share_rest_M = (rest_M - (mean / other) * other_rest_M) / other if other > 0 else None
    return Lift(
        metric=metric,
        contender=names[0],
        beside=names[1],
        members=len(rest_M),
        ours=mean,
        theirs=other,
        difference=_estimate(difference, rest_M - other_rest_M),
        lift=(NOTHING if share_rest_M is None else _estimate(difference / other, share_rest_M)),
        by_seed=by_seed,
        over_seeds=over_seeds(by_seed),
    )


def share(ours: float, theirs: float) -> float | None:
    """The difference as a share of `theirs`; None if that is not above 0."""
    return ours / theirs - 1 if theirs > 0 else None


def over_seeds(by_seed: Sequence[float | None]) -> Estimate:
    """Mean of the seeds' lifts, with an interval over seeds; NOTHING if one has none."""
    known = [one for one in by_seed if one is not None]
    return mean_of_few(known) if len(known) == len(by_seed) else NOTHING


def _share(metric: str, ours: Figures, theirs: Figures, per: str) -> float | None:
    """The lift of one seed."""
    return share(_ratio(metric, [ours], per)[0], _ratio(metric, [theirs], per)[0])


def _ratio(metric: str, cells: Sequence[Figures], per: str) -> tuple[float, Floats]:
    """The mean, and how much each member moves it."""
    total_M, count_M = _column(metric, cells), _column(per, cells)
    count = max(float(count_M.sum()), 1.0)
    mean = float(total_M.sum()) / count
    return mean, (total_M - mean * count_M) / (count / len(total_M))


def _column(name: str, cells: Sequence[Figures]) -> Floats:
    return np.concatenate([np.asarray(cell[name], np.float64).reshape(-1) for cell in cells])


def _estimate(mean: float, rest_M: Floats) -> Estimate:
    members = len(rest_M)
    if members < 2:
        return Estimate(mean=mean, low=None, high=None)
    half = Z * float(rest_M.std(ddof=1)) / math.sqrt(members)
    return Estimate(mean=mean, low=mean - half, high=mean + half)
