"""One metric of two arms: the difference and the lift, each with a confidence sequence.

What users did before the experiment takes out variance that has nothing to do with the arms: CUPED
(Deng, Xu, Kohavi and Walker, WSDM 2013), as a regression on covariates from before.

Letters: U users of both arms in any order, C covariates.
"""

from dataclasses import dataclass

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
    """A treated arm against the control, in the metric's unit by user.

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

    The means are those at the covariates' common mean. Both sequences come from the users'
    influence on them: what is averaged is then a mean of independent values, whatever the shares of
    the arms, and the delta method is nothing more (the paper's section 3). Raises ValueError if an
    arm has no user.
    """
    treated_users = int(treated_U.sum())
    control_users = len(outcome_U) - treated_users
    if not treated_users or not control_users:
        raise ValueError("an arm has no user: there is nothing to compare")
    explained_U = _explained(outcome_U, treated_U, covariate_UC)
    treated_mean, treated_influence_U = _mean(outcome_U, explained_U, treated_U)
    control_mean, control_influence_U = _mean(outcome_U, explained_U, ~treated_U)
    difference_U = treated_influence_U - control_influence_U
    enough = min(treated_users, control_users) >= config.users_min
    return Comparison(
        control_users=control_users,
        treated_users=treated_users,
        control_mean=control_mean,
        treated_mean=treated_mean,
        difference=_estimate(treated_mean - control_mean, difference_U, enough, config),
        lift=_lift(
            (treated_mean, treated_influence_U), (control_mean, control_influence_U), enough, config
        ),
        variance_kept=_kept(outcome_U, treated_U, difference_U),
    )


def _explained(outcome_U: Floats, treated_U: Bools, covariate_UC: Floats | None) -> Floats:
    """What the covariates say of each user's outcome, relative to their mean.

    The slope is that within the arms, so that a real difference of the arms is none of its
    business; a covariate that says nothing gets none.
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


def _mean(outcome_U: Floats, explained_U: Floats, arm_U: Bools) -> tuple[float, Floats]:
    """An arm's mean at the common covariates, and how much each user moves it."""
    adjusted_U = outcome_U - explained_U
    mean = float(adjusted_U[arm_U].mean())
    share = arm_U.mean()
    return mean, np.where(arm_U, (adjusted_U - mean) / share, 0.0) + explained_U


def _estimate(value: float, influence_U: Floats, enough: bool, config: SequenceConfig) -> Estimate:
    if not enough:
        return Estimate(value=value, interval=None)
    half = radius(len(influence_U), float(np.mean(influence_U**2)), config)
    return Estimate(value=value, interval=Interval(low=value - half, high=value + half))


def _lift(
    treated: tuple[float, Floats],
    control: tuple[float, Floats],
    enough: bool,
    config: SequenceConfig,
) -> Estimate | None:
    (treated_mean, treated_influence_U), (control_mean, control_influence_U) = treated, control
    base = _estimate(control_mean, control_influence_U, enough, config).interval
    if control_mean <= 0 or (base is not None and base.low <= 0):
        return None
    ratio = treated_mean / control_mean
    influence_U = (treated_influence_U - ratio * control_influence_U) / control_mean
    return _estimate(ratio - 1, influence_U, enough, config)


def _kept(outcome_U: Floats, treated_U: Bools, difference_U: Floats) -> float:
    unexplained = np.zeros(len(outcome_U))
    _, treated_influence_U = _mean(outcome_U, unexplained, treated_U)
    _, control_influence_U = _mean(outcome_U, unexplained, ~treated_U)
    raw = float(np.mean((treated_influence_U - control_influence_U) ** 2))
    return float(np.mean(difference_U**2)) / raw if raw > 0 else 1.0
