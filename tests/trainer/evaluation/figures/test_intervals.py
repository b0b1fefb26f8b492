import numpy as np
import pytest

from pagecast.trainer.evaluation.figures.intervals import Bootstrap


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    """400 users, half of them hits: 1.96 * sqrt(0.25 / 400) to both sides."""
    interval = Bootstrap(np.arange(400)).interval(np.arange(400) % 2.0)
    assert interval.low == pytest.approx(0.5 - 0.049, abs=0.006)
    assert interval.high == pytest.approx(0.5 + 0.049, abs=0.006)


def test_targets_of_a_user_stand_or_fall_together() -> None:
    """Twenty-five targets of each of 400 users say no more than one of each does."""
    user_T = np.repeat(np.arange(400), 25)
    alike = Bootstrap(user_T).interval(user_T % 2.0)
    assert alike.high - alike.low == pytest.approx(2 * 0.049, abs=0.012)
    apart = Bootstrap(np.arange(10_000)).interval(user_T % 2.0)
    assert apart.high - apart.low < 0.025


def test_a_mean_weighs_targets_and_not_users() -> None:
    user_T = np.array([7, 7, 7, 9])
    interval = Bootstrap(user_T).interval(np.ones(4))
    assert (interval.low, interval.high) == (1.0, 1.0)
    low_high = Bootstrap(user_T).interval(np.array([0.0, 0.0, 0.0, 1.0]))
    assert (low_high.low, low_high.high) == (0.0, 1.0)


def test_the_same_figures_have_the_same_interval() -> None:
    gain_T = np.random.default_rng(1).random(50)
    assert Bootstrap(np.arange(50)).interval(gain_T) == Bootstrap(np.arange(50)).interval(gain_T)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    gain_T = np.arange(400) % 2.0
    difference = Bootstrap(np.arange(400)).difference(gain_T + 0.01, gain_T)
    assert difference.mean == pytest.approx(0.01)
    assert difference.interval.low == pytest.approx(0.01)
    assert difference.significant


def test_no_difference_and_an_unsure_one_are_not_significant() -> None:
    bootstrap, rng = Bootstrap(np.arange(100)), np.random.default_rng(2)
    gain_T = rng.random(100)
    assert not bootstrap.difference(gain_T, gain_T).significant
    assert not bootstrap.difference(gain_T, rng.permutation(gain_T)).significant
