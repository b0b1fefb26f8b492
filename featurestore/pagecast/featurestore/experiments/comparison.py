"""One metric of two arms: the difference and the lift, each with a confidence sequence.

What users did before the experiment takes out variance that has nothing to do with the arms: CUPED
(Deng, Xu, Kohavi and Walker, WSDM 2013), as a regression on covariates from before.

Letters: U users of both arms in any order, C covariates.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.experiments.sequence import (
    ORDINARY,
    Interval,
    SequenceConfig,
    radius,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class _Mean(NamedTuple):
    """The mean of an arm; `moved_U` is how much each user moves it."""

    value: float
    moved_U: Floats


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its interval; the interval is None while there are too few users."""

    value: float
    interval: Interval | None

    @property
    def decided(self) -> bool:
        """Whether zero is outside the interval."""
        return self.interval is not None and 0.0 not in self.interval


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A treated arm against the control, in the metric's unit per user.

    `lift` is relative to the control's mean, and None where that is not surely above 0.
    `variance_kept` is the share of the difference's variance that the covariates left.
    """

    control_users: int
    treated_users: int
    control_mean: float
    treated_mean: float
    difference: Estimate
    lift: Estimate | None
    variance_kept: float


def compare(
    outcome_U: Floats,
    treated_U: Bools,
    covariate_UC: Floats | None = None,
    config: SequenceConfig = ORDINARY,
) -> Comparison:
    """Compares the treated with the rest.

    Means are taken at the covariates' common mean. Both sequences come from the users' influence on
    them: so independent values are averaged, whatever the arms' shares (the paper's section 3).
    Raises ValueError if an arm has no user.
    """
    treated_users = int(treated_U.sum())
    control_users = len(outcome_U) - treated_users
    if not treated_users or not control_users:
        raise ValueError("an arm has no user: there is nothing to compare")
    explained_U = _explained(outcome_U, treated_U, covariate_UC)
    treated = _mean(outcome_U, explained_U, treated_U)
    control = _mean(outcome_U, explained_U, ~treated_U)
    difference_U = treated.moved_U - control.moved_U
    enough = min(treated_users, control_users) >= config.users_min
    return Comparison(
        control_users=control_users,
        treated_users=treated_users,
        control_mean=control.value,
        treated_mean=treated.value,
        difference=_estimate(treated.value - control.value, difference_U, enough, config),
        lift=_lift(treated, control, enough, config),
        variance_kept=_kept(outcome_U, treated_U, difference_U),
    )


def _explained(outcome_U: Floats, treated_U: Bools, covariate_UC: Floats | None) -> Floats:
    """What the covariates say of each user's outcome, relative to their mean.

    The slope is the one within the arms, so that a real difference between the arms does not enter
    it; a covariate that says nothing gets none.
    """
    if covariate_UC is None or not covariate_UC.shape[1]:
        return np.zeros(len(outcome_U))
    slope_C, *_ = np.linalg.lstsq(
        _centred(covariate_UC, treated_U), _centred(outcome_U, treated_U), rcond=None
    )
    explained_U: Floats = (covariate_UC - covariate_UC.mean(0)) @ slope_C
    return explained_U


def _centred(values: Floats, treated_U: Bools) -> Floats:
    """Less the mean of each one's arm."""
    centred = values.astype(np.float64, copy=True)
    for arm_U in (treated_U, ~treated_U):
        centred[arm_U] -= centred[arm_U].mean(0)
    return centred


def _mean(outcome_U: Floats, explained_U: Floats, arm_U: Bools) -> _Mean:
    """At the common covariates."""
    adjusted_U = outcome_U - explained_U
    mean = float(adjusted_U[arm_U].mean())
    share = arm_U.mean()
    return _Mean(mean, np.where(arm_U, (adjusted_U - mean) / share, 0.0) + explained_U)


def _estimate(value: float, influence_U: Floats, enough: bool, config: SequenceConfig) -> Estimate:
    if not enough:
        return Estimate(value=value, interval=None)
    half = radius(len(influence_U), float(np.mean(influence_U**2)), config)
    return Estimate(value=value, interval=Interval(low=value - half, high=value + half))


def _lift(treated: _Mean, control: _Mean, enough: bool, config: SequenceConfig) -> Estimate | None:
    """The interval holds the ratios at which `treated - ratio * control` may be 0 (Fieller).

    So it is as sure as that difference, and contains zero where the difference's interval does. By
    the delta method it would not be where a metric is rare or has a long tail.
    """
    if control.value <= 0:
        return None
    value = treated.value / control.value - 1
    if not enough:
        return Estimate(value=value, interval=None)
    chance = radius(len(control.moved_U), 1.0, config) ** 2

    def product(one: _Mean, other: _Mean) -> float:
        """Of two means, less what chance may make of it."""
        return one.value * other.value - chance * float(np.mean(one.moved_U * other.moved_U))

    # They lie between the roots of a quadratic, if the control's mean is surely above 0.
    square, half = product(control, control), product(treated, control)
    if square <= 0:
        return None
    root = math.sqrt(max(half**2 - square * product(treated, treated), 0.0))
    ends = (half - root) / square - 1, (half + root) / square - 1
    return Estimate(value=value, interval=Interval(low=ends[0], high=ends[1]))


def _kept(outcome_U: Floats, treated_U: Bools, difference_U: Floats) -> float:
    unexplained = np.zeros(len(outcome_U))
    treated, control = (_mean(outcome_U, unexplained, arm_U) for arm_U in (treated_U, ~treated_U))
    raw = float(np.mean((treated.moved_U - control.moved_U) ** 2))
    return float(np.mean(difference_U**2)) / raw if raw > 0 else 1.0
