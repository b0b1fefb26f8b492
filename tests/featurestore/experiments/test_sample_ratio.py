"""The alarm of a sample ratio mismatch: quiet while it should be, and quick when it should ring."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.experiments.sample_ratio import sample_ratio

SHARES = st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4)


@given(SHARES, st.integers(0, 6))
def test_its_mean_under_the_planned_shares_is_one(shares: list[float], users: int) -> None:
    # So it is a fair bet against the plan: that is what makes it valid at all times.
    mean = 0.0
    for counts in product(range(users + 1), repeat=len(shares)):
        if sum(counts) == users:
            found = sample_ratio(counts, shares)
            ways = math.factorial(users) / math.prod(map(math.factorial, counts))
            mean += (
                ways
                * math.prod(p**n for p, n in zip(found.planned, counts, strict=True))
                * found.evidence
            )
    assert mean == pytest.approx(1.0)


def test_users_as_planned_raise_no_alarm_and_missing_ones_do() -> None:
    rng = np.random.default_rng(3)
    planned = (0.5, 0.3, 0.2)
    for _ in range(100):
        users = rng.multinomial(20_000, planned)
        assert not sample_ratio(users.tolist(), planned).alarm
        # A fifth of the second arm's users never gets to the log.
        users[1] = rng.binomial(users[1], 0.8)
        assert sample_ratio(users.tolist(), planned).alarm


def test_a_large_mismatch_has_a_finite_evidence() -> None:
    assert math.isfinite(sample_ratio([10**9, 1], [0.5, 0.5]).evidence)


@pytest.mark.parametrize("shares", [[], [0.5], [0.5, 0.0]])
def test_an_arm_without_a_share_is_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="share"):
        sample_ratio([1, 2], shares)
