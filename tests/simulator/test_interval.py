"""Means per session, with members as what is drawn."""

import numpy as np

from pagecast.simulator.interval import mean_by_member


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
