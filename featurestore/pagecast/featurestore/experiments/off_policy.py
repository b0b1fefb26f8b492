"""What another policy would have earned, from the pages of one that draws at random.

Inverse propensity scores (IPS), the same normalised by its weights (SNIPS; Swaminathan and
Joachims, NIPS 2015) and doubly robust (DR; Dudik, Langford and Li, ICML 2011). Each needs the
probability with which the shown page was drawn. An arm that always takes the best token has none:
it shows its page with certainty, and says nothing of others.

Intervals are fixed-time, not sequences: an estimate is made once, from a log that exists.

Letters: P pages (or whatever was drawn and rewarded), U users.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.experiments.comparison import Floats
from pagecast.featurestore.experiments.sequence import Interval
from pagecast.v1 import events_pb2

EFFECTIVE_MIN = 100.0
"""Below this many pages' worth of weight the normal interval is not to be trusted: a few pages
decide, and the next one like them would move the estimate out of it (benchmarks/experiments.md)."""

EFFECTIVE_USERS_MIN = 50
"""Users' worth of weight, likewise: a user's pages stand or fall together, so more pages of the
same users make an interval no truer. With half as many users it missed the truth in 9 % of
simulated logs of 600 pages, with 5 users in a fifth of them."""

WEIGHT_SHARE_MAX = 0.05
"""Share of all weight that one page may have; above it the interval is not to be trusted."""

SURE = NormalDist().inv_cdf(0.975)
"""Deviations of a 95 % interval."""

UNLIKELY = NormalDist().inv_cdf(0.9995)
"""Deviations of the mean weight from 1 that one in a thousand sound logs exceeds: beyond it, the
logged probabilities are not those that were drawn with, or leave out pages the target makes."""


GREEDY = (
    "an arm that takes the best token has no estimate; let a small share of traffic ask with "
    "sampling, at a temperature above 0"
)
"""Why there is no estimate, and the remedy."""


class NoEstimate(ValueError):  # noqa: N818 - named by what is wrong
    """The pages say nothing of the target; the message tells why."""


class NothingDrawn(NoEstimate):
    """The pages were not drawn at random, so that nothing can be said of other pages."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnPages:
    """Pages of a policy that draws, with what is known of them under the target policy.

    `log_drawn_P` and `log_target_P` are the natural logarithms of the probability of the page under
    each. `predicted_P` is a reward model's prediction for the page, `expected_P` its mean
    prediction for the target's pages of the same request; without a model both are 0, and DR is
    IPS. Raises ValueError, and NothingDrawn if every page had probability 1.
    """

    user_P: npt.NDArray[np.int64]
    reward_P: Floats
    log_drawn_P: Floats
    log_target_P: Floats
    predicted_P: Floats
    expected_P: Floats

    def __post_init__(self) -> None:
        if len({len(column) for column in vars(self).values()}) != 1 or not len(self.user_P):
            raise ValueError("the columns must be of one length, and hold a page")
        for name in ("reward_P", "log_drawn_P", "predicted_P", "expected_P"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name}: must be finite")
        if np.isnan(self.log_target_P).any() or max(self.log_target_P.max(), 0.0) > 0:
            raise ValueError("log_target_P: must be at most 0; minus infinity is never")
        if self.log_drawn_P.max() > 0:
            raise ValueError("log_drawn_P: must be at most 0")
        if not self.log_drawn_P.any():
            raise NothingDrawn(f"every page had probability 1: {GREEDY}")

    @property
    def weight_P(self) -> Floats:
        """How much more often the target makes a page than it was drawn."""
        weight_P: Floats = np.exp(self.log_target_P - self.log_drawn_P)
        return weight_P


@dataclass(frozen=True, kw_only=True)
class OffPolicyEstimate:
    """Mean reward per page under the target, and its 95 % interval."""

    estimator: str
    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class OffPolicyReport:
    """`effective` is how many pages of the target's own the log is worth.

    `earned` is the mean reward of the logged pages themselves, to compare the estimates with.
    """

    pages: int
    effective: float
    earned: float
    estimates: tuple[OffPolicyEstimate, ...]
    warnings: tuple[str, ...]


def was_drawn(page: events_pb2.PageServed) -> bool:
    """Whether the page's log-probabilities are those it was drawn with, from its first row on."""
    begins = bool(page.rows) and not page.rows_before
    return begins and page.sampling.temperature > 0 and bool(page.model_version)


def estimate_off_policy(pages: DrawnPages) -> OffPolicyReport:
    """IPS, SNIPS and DR. Raises NoEstimate if no page is the target's, or all are one user's."""
    weight_P = pages.weight_P
    total = float(weight_P.sum())
    if not np.isfinite(total) or total <= 0:
        raise NoEstimate("the target never makes these pages, or a weight is no number")
    if len(np.unique(pages.user_P)) == 1:
        raise NoEstimate("all pages are of one user, who says nothing of others: draw for more")
    effective = _effective(weight_P)
    ips = float(np.mean(weight_P * pages.reward_P))
    snips = float((weight_P * pages.reward_P).sum() / total)
    robust_P = pages.expected_P + weight_P * (pages.reward_P - pages.predicted_P)
    robust = float(robust_P.mean())
    return OffPolicyReport(
        pages=len(weight_P),
        effective=effective,
        earned=float(pages.reward_P.mean()),
        estimates=(
            _estimate("ips", ips, weight_P * pages.reward_P - ips, pages.user_P),
            _estimate(
                "snips", snips, weight_P * (pages.reward_P - snips) / weight_P.mean(), pages.user_P
            ),
            _estimate("dr", robust, robust_P - robust, pages.user_P),
        ),
        warnings=tuple(_warnings(weight_P, pages.user_P, effective)),
    )


def _estimate(
    name: str, value: float, influence_P: Floats, user_P: npt.NDArray[np.int64]
) -> OffPolicyEstimate:
    half = SURE * _error(influence_P, user_P)
    return OffPolicyEstimate(
        estimator=name, value=value, interval=Interval(low=value - half, high=value + half)
    )


def _error(influence_P: Floats, user_P: npt.NDArray[np.int64]) -> float:
    """Standard error of the mean; a user's pages stand or fall together."""
    sum_U = _by_user(influence_P, user_P)
    users = len(sum_U)
    return float(np.sqrt((sum_U**2).sum() * users / (users - 1)) / len(influence_P))


def _by_user(value_P: Floats, user_P: npt.NDArray[np.int64]) -> Floats:
    _, of_P = np.unique(user_P, return_inverse=True)
    return np.bincount(of_P, weights=value_P).astype(np.float64)


def _effective(weight: Floats) -> float:
    """How many of equal weight these are worth."""
    return float(weight.sum() ** 2 / (weight**2).sum())


def _warnings(weight_P: Floats, user_P: npt.NDArray[np.int64], effective: float) -> list[str]:
    told = []
    if effective < EFFECTIVE_MIN:
        told.append(
            f"{len(weight_P)} pages are worth {effective:.1f} of the target's own, fewer than "
            f"{EFFECTIVE_MIN:g}: do not trust the intervals; draw more pages, or a nearer target"
        )
    if (users := _effective(_by_user(weight_P, user_P))) < EFFECTIVE_USERS_MIN:
        told.append(
            f"the pages are worth those of {users:.1f} users, fewer than {EFFECTIVE_USERS_MIN}: do "
            "not trust the intervals; draw pages for more users, or a nearer target"
        )
    if (most := float(weight_P.max() / weight_P.sum())) > WEIGHT_SHARE_MAX:
        told.append(f"one page has {most:.0%} of all weight: do not trust the intervals")
    mean = float(weight_P.mean())
    error = _error(weight_P - mean, user_P)
    if abs(mean - 1) > UNLIKELY * error:
        told.append(
            f"the mean weight is {mean:.3f}, which should be 1: the probabilities are not those "
            "the pages were drawn with, or pages of the target cannot be drawn"
        )
    return told
