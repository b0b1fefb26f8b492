"""How sure a figure is: bootstrap over users, whose targets stand or fall together.

Letters: T targets, U users of the targets, S resamples.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.figures.ranks import Gains
from pagecast.trainer.evaluation.protocols.interactions import Ints

RESAMPLES = 2_000
SEED = 0
"""Fixed: the same figures have the same interval, and all systems the same resamples."""

RESAMPLES_TOGETHER = 100
"""Resamples drawn at a time: bounds memory at many users."""

SHARE = 0.95
"""Share of the resamples inside an interval."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The middle 95 % of the resamples."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much a mean is above another's, on the same targets."""

    mean: float
    interval: Interval

    @property
    def significant(self) -> bool:
        """Whether the interval is on one side of zero."""
        return self.interval.low > 0 or self.interval.high < 0


class Bootstrap:
    """Resamples of the users of some targets; a mean weighs every target alike."""

    def __init__(self, user_T: Ints) -> None:
        _, self._of_T = np.unique(user_T, return_inverse=True)
        self._users = int(self._of_T.max(initial=-1)) + 1

    def interval(self, gain_T: Gains) -> Interval:
        """Of the mean of `gain_T`."""
        low, high = np.quantile(self._means(gain_T), [(1 - SHARE) / 2, (1 + SHARE) / 2])
        return Interval(low=float(low), high=float(high))

    def difference(self, gain_T: Gains, other_T: Gains) -> Difference:
        """Paired: both means are of the same resampled users."""
        return Difference(
            mean=float(gain_T.mean() - other_T.mean()), interval=self.interval(gain_T - other_T)
        )

    def _means(self, gain_T: Gains) -> npt.NDArray[np.float64]:
        """`mean_S`: of each resample, the sum of its users' gains by that of their targets."""
        rng = np.random.default_rng(SEED)
        gain_U = np.bincount(self._of_T, weights=gain_T, minlength=self._users)
        count_U = np.bincount(self._of_T, minlength=self._users)
        even_U = np.full(self._users, 1.0 / self._users)
        means = []
        for begin in range(0, RESAMPLES, RESAMPLES_TOGETHER):
            resamples = min(RESAMPLES_TOGETHER, RESAMPLES - begin)
            times_SU = rng.multinomial(self._users, even_U, size=resamples)
            means.append((times_SU @ gain_U) / (times_SU @ count_U))
        return np.concatenate(means)
