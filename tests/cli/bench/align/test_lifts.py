"""A contender beside the baseline: what both have in common makes no difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.cli.bench.align.lifts import lift
from pagecast.simulator.interval import Estimate

NAMES = ("ours", "theirs")
MEMBERS = st.lists(st.tuples(st.integers(1, 9), st.floats(0.1, 50.0)), min_size=2, max_size=30)


def cell(members: list[tuple[int, float]]) -> dict[str, list[float]]:
    return {
        "sessions": [float(sessions) for sessions, _ in members],
        "reward": [reward for _, reward in members],
    }


@given(members=MEMBERS)
def test_the_same_is_no_difference_and_surely_so(members: list[tuple[int, float]]) -> None:
    found = lift("reward", NAMES, [cell(members)], [cell(members)])
    assert (found.lift.mean, found.lift.low, found.lift.high) == (0.0, 0.0, 0.0)


@given(members=MEMBERS, factor=st.floats(0.1, 5.0))
def test_a_constant_factor_is_a_lift_without_doubt(
    members: list[tuple[int, float]], factor: float
) -> None:
    better = [(sessions, factor * reward) for sessions, reward in members]
    found = lift("reward", NAMES, [cell(better)], [cell(members)])
    assert found.lift.mean == pytest.approx(factor - 1)
    assert found.lift.low == pytest.approx(factor - 1, abs=1e-6)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng, inside = np.random.default_rng(4), 0
    for _ in range(200):
        base_M = rng.gamma(2.0, 1.0, 80)
        ours, theirs = base_M * 1.1 + rng.normal(0, 0.5, 80), base_M
        cells = [cell([(1, float(reward)) for reward in rewards]) for rewards in (ours, theirs)]
        found = lift("reward", NAMES, cells[:1], cells[1:])
        inside += holds(found.lift, 0.1)
    assert inside >= 180


def test_nothing_is_a_share_of_nothing() -> None:
    none, some = cell([(1, 0.0), (1, 0.0)]), cell([(1, 1.0), (1, 1.0)])
    found = lift("reward", NAMES, [some], [none])
    assert (found.difference.mean, found.lift.mean) == (1.0, None)


def test_luck_of_trainings_is_in_the_interval_over_seeds_and_not_in_that_over_members() -> None:
    """Every training is 10 % better in the mean, give or take 10 %; members hardly differ."""
    rng, over_members, over_seeds = np.random.default_rng(6), 0, 0
    for _ in range(200):
        theirs_SM = rng.normal(5.0, 0.1, (5, 100))
        ours_SM = theirs_SM * (1.1 + rng.normal(0, 0.1, (5, 1)))
        cells = [
            [cell([(1, float(reward)) for reward in of_M]) for of_M in of_SM]
            for of_SM in (ours_SM, theirs_SM)
        ]
        found = lift("reward", NAMES, *cells)
        assert len(found.by_seed) == 5
        assert found.over_seeds.mean == pytest.approx(np.mean(found.by_seed))
        over_members += holds(found.lift, 0.1)
        over_seeds += holds(found.over_seeds, 0.1)
    assert over_members < 100
    assert over_seeds >= 180


def test_a_seed_that_has_no_lift_leaves_nothing_to_say_over_seeds() -> None:
    none, some = cell([(1, 0.0), (1, 0.0)]), cell([(1, 1.0), (1, 2.0)])
    found = lift("reward", NAMES, [some, some], [some, none])
    assert (found.by_seed, found.over_seeds.mean) == ((0.0, None), None)
    assert found.lift.mean == 1.0


def holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high
