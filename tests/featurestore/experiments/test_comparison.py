"""Two arms: the difference, the lift, and what was known of the users before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.experiments.comparison import Comparison, compare

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=15)


def world(
    seed: int, users: int = 400, lift: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes that follow what users did before, whether they are treated, and what they did."""
    rng = np.random.default_rng(seed)
    before_U = rng.gamma(1.0, 3.0, users)
    treated_U = rng.random(users) < 0.4
    outcome_U = before_U + rng.gamma(1.0, 1.0, users) + lift * treated_U
    return outcome_U, treated_U, before_U[:, None]


def width(found: Comparison) -> float:
    interval = found.difference.interval
    assert interval is not None
    return interval.high - interval.low


@FEW
@given(SEEDS)
def test_without_covariates_the_means_are_the_arms_means(seed: int) -> None:
    outcome_U, treated_U, _ = world(seed)
    found = compare(outcome_U, treated_U)
    assert found.treated_mean == pytest.approx(outcome_U[treated_U].mean())
    assert found.control_mean == pytest.approx(outcome_U[~treated_U].mean())
    assert found.variance_kept == pytest.approx(1.0)
    assert (found.treated_users, found.control_users) == (treated_U.sum(), (~treated_U).sum())


@FEW
@given(SEEDS)
def test_exchanging_the_arms_turns_the_difference_around(seed: int) -> None:
    outcome_U, treated_U, before_UC = world(seed)
    one, other = (compare(outcome_U, arm, before_UC) for arm in (treated_U, ~treated_U))
    assert one.difference.value == pytest.approx(-other.difference.value)
    assert width(one) == pytest.approx(width(other))


@FEW
@given(SEEDS, st.floats(0.01, 100))
def test_the_unit_changes_the_difference_and_not_the_lift(seed: int, unit: float) -> None:
    outcome_U, treated_U, before_UC = world(seed)
    found, scaled = (compare(outcome_U * by, treated_U, before_UC) for by in (1.0, unit))
    assert scaled.difference.value == pytest.approx(unit * found.difference.value, abs=1e-9)
    assert width(scaled) == pytest.approx(unit * width(found))
    assert found.lift is not None
    assert scaled.lift is not None
    assert scaled.lift.value == pytest.approx(found.lift.value, abs=1e-9)
    assert found.lift.interval is not None
    assert found.lift.value in found.lift.interval


def test_what_users_did_before_takes_out_variance_and_leaves_the_difference() -> None:
    outcome_U, treated_U, before_UC = world(0, lift=1.0)
    found = compare(outcome_U, treated_U, before_UC)
    assert found.difference.interval is not None
    assert 1.0 in found.difference.interval
    # 9 of 10 parts of the variance are from before.
    assert found.variance_kept < 0.3
    assert width(found) < 0.6 * width(compare(outcome_U, treated_U))


@FEW
@given(SEEDS)
def test_covariates_that_say_nothing_change_nothing(seed: int) -> None:
    outcome_U, treated_U, _ = world(seed)
    same = compare(outcome_U, treated_U, np.full((len(outcome_U), 2), 7.0))
    assert same.difference.value == pytest.approx(
        compare(outcome_U, treated_U).difference.value, abs=1e-9
    )


def test_few_users_have_a_figure_and_no_interval() -> None:
    outcome_U, treated_U, _ = world(0, users=120)
    found = compare(outcome_U, treated_U)
    assert found.difference.interval is None
    assert not found.difference.decided


@FEW
@given(SEEDS)
def test_a_lift_is_sure_where_the_difference_from_so_much_more_is(seed: int) -> None:
    outcome_U, treated_U, _ = world(seed, lift=1.0)
    lift = compare(outcome_U, treated_U).lift
    assert lift is not None
    assert lift.interval is not None

    def beside(more: float) -> tuple[float, float]:
        raised_U = np.where(treated_U, outcome_U, outcome_U * (1 + more))
        interval = compare(raised_U, treated_U).difference.interval
        assert interval is not None
        return interval.low, interval.high

    assert beside(lift.interval.low)[0] == pytest.approx(0.0, abs=1e-9)
    assert beside(lift.interval.high)[1] == pytest.approx(0.0, abs=1e-9)


def test_a_base_that_may_be_zero_has_no_lift() -> None:
    outcome_U, treated_U, _ = world(0)
    assert compare(outcome_U - outcome_U[~treated_U].mean() - 0.01, treated_U).lift is None
    assert compare(outcome_U - outcome_U[~treated_U].mean() + 0.01, treated_U).lift is None


def test_an_arm_without_users_is_refused() -> None:
    with pytest.raises(ValueError, match="no user"):
        compare(np.ones(3), np.ones(3, bool))
