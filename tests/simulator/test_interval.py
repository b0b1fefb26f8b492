"""Means per session, with members as the sample."""

import numpy as np

from pagecast.simulator.interval import T_BY_FREEDOM, mean_by_member, mean_of_few


def test_an_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, held, rounds = np.random.default_rng(1), 0, 300
    for _ in range(rounds):
        own_U = rng.normal(2.0, 1.0, 60)
        count_U = rng.integers(1, 6, 60)
        total_U = count_U * own_U + rng.normal(0.0, 1.0, 60) * np.sqrt(count_U)
        estimate = mean_by_member(total_U.tolist(), count_U.tolist())
        assert estimate.low is not None and estimate.high is not None
        held += estimate.low <= 2.0 <= estimate.high
    assert 0.9 < held / rounds < 0.99


def test_little_is_said_of_little() -> None:
    assert mean_by_member([], []).mean is None
    assert mean_by_member([0.0], [0.0]).mean is None
    alone = mean_by_member([3.0], [2.0])
    assert (alone.mean, alone.low, alone.high) == (1.5, None, None)


def test_a_mean_of_few_is_as_sure_as_it_says_however_few_they_are() -> None:
    rng, rounds = np.random.default_rng(2), 400
    for count in (2, 5, len(T_BY_FREEDOM) + 1, 20):
        held = 0
        for _ in range(rounds):
            estimate = mean_of_few(rng.normal(3.0, 2.0, count).tolist())
            assert estimate.low is not None and estimate.high is not None
            held += estimate.low <= 3.0 <= estimate.high
        assert 0.92 < held / rounds < 0.99, count


def test_of_one_there_is_a_mean_and_no_interval_and_of_none_nothing() -> None:
    alone = mean_of_few([3.0])
    assert (alone.mean, alone.low, alone.high) == (3.0, None, None)
    assert mean_of_few([]).mean is None
