"""Confidence sequences: as wide as the paper says, and right at all times together."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.experiments.comparison import compare
from pagecast.featurestore.experiments.sequence import SequenceConfig, radius

PEEKED = SequenceConfig(narrow_at=500, users_min=50)
LOOKS = range(100, 1001, 60)
RUNS = 100

COUNTS = st.integers(1, 10**7)


@given(COUNTS, st.floats(0.001, 0.5), st.integers(1, 10**6))
def test_it_is_wider_than_a_fixed_time_interval_and_shrinks(
    users: int, alpha: float, narrow_at: int
) -> None:
    config = SequenceConfig(alpha=alpha, narrow_at=narrow_at)
    # A normal's tail is at most exp(-z^2 / 2): so wide would surely do at one time.
    half = radius(users, 1.0, config)
    assert half >= math.sqrt(-2 * math.log(alpha) / users)
    assert radius(users + 1, 1.0, config) < half


@given(COUNTS, st.floats(1e-6, 1e6))
def test_it_grows_with_the_deviation(users: int, variance: float) -> None:
    assert radius(users, variance) == pytest.approx(math.sqrt(variance) * radius(users, 1.0))


def test_several_comparisons_share_the_chance_of_a_miss() -> None:
    assert SequenceConfig(alpha=0.06).shared_by(3).alpha == pytest.approx(0.02)


@pytest.mark.parametrize("wrong", [{"alpha": 0.0}, {"alpha": 1.0}, {"users_min": 1}])
def test_a_configuration_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SequenceConfig(**wrong)  # type: ignore[arg-type]


def test_under_peeking_it_misses_no_more_often_than_it_says_and_a_fixed_interval_does() -> None:
    rng = np.random.default_rng(7)
    missed, missed_by_fixed = 0, 0
    for _ in range(RUNS):
        treated_U = rng.random(LOOKS[-1]) < 0.3
        # Clicks: most users have none, some have many; the treated have a tenth more.
        outcome_U = rng.poisson(rng.gamma(0.5, 2.0, len(treated_U)) * np.where(treated_U, 1.1, 1))
        wrong, wrong_by_fixed = False, False
        for users in LOOKS:
            found = compare(outcome_U[:users] * 1.0, treated_U[:users], None, PEEKED).difference
            assert found.interval is not None or treated_U[:users].sum() < PEEKED.users_min
            if found.interval is None:
                continue
            wrong |= 0.1 not in found.interval
            wrong_by_fixed |= abs(found.value - 0.1) > 1.96 * _error(
                outcome_U[:users], treated_U[:users]
            )
        missed, missed_by_fixed = missed + wrong, missed_by_fixed + wrong_by_fixed
    assert missed / RUNS <= 0.05
    assert missed_by_fixed / RUNS > 0.10


def _error(outcome_U: np.ndarray, treated_U: np.ndarray) -> float:
    arms = (outcome_U[treated_U], outcome_U[~treated_U])
    return math.sqrt(sum(arm.var() / len(arm) for arm in arms))
