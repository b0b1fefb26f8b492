"""Drift is what has changed, not chance differences between two samples of the same."""

import os
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.streaming.drift import BUCKETS, aligned, buckets_of, divergence

SEED = int(os.environ.get("PAGECAST_TEST_SEED", "1"))
EVENTS = 20_000


def sample(weights: list[float], events: int, rng: random.Random) -> list[int]:
    counts = Counter(rng.choices(range(len(weights)), weights, k=events))
    return [counts[i] for i in range(len(weights))]


def long_tail(outcomes: int) -> list[float]:
    return [1 / (rank + 1) for rank in range(outcomes)]


def test_nothing_shared_is_a_whole_bit() -> None:
    assert divergence([1_000_000, 0], [0, 1_000_000]) == pytest.approx(1.0, abs=1e-5)


def test_alike_is_nothing() -> None:
    assert divergence([500, 300, 200], [5000, 3000, 2000]) == 0.0


@pytest.mark.parametrize("outcomes", [10, BUCKETS])
def test_two_samples_of_one_distribution_are_not_apart(outcomes: int) -> None:
    rng = random.Random(SEED)
    for _ in range(20):
        first, second = (sample(long_tail(outcomes), EVENTS, rng) for _ in range(2))
        assert divergence(first, second) < 0.003, f"seed {SEED}"


def test_small_samples_are_not_apart_for_being_small() -> None:
    rng = random.Random(SEED)
    found = [
        divergence(sample(long_tail(BUCKETS), 2000, rng), sample(long_tail(BUCKETS), 2000, rng))
        for _ in range(10)
    ]
    assert sum(found) / len(found) < 0.01, f"seed {SEED}"


def test_a_fifth_that_moved_to_something_new_is_a_tenth_of_a_bit() -> None:
    rng = random.Random(SEED)
    old, new = [*long_tail(50), 0.0], [*long_tail(50), sum(long_tail(50)) / 4]
    apart = divergence(sample(old, EVENTS, rng), sample(new, EVENTS, rng))
    assert apart == pytest.approx(0.108, abs=0.01), f"seed {SEED}"


def test_a_window_without_events_says_nothing() -> None:
    assert divergence([0, 0], [3, 4]) == divergence([3, 4], [0, 0]) == 0.0


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=20))
def test_it_is_symmetric_and_within_its_bounds(pairs: list[tuple[int, int]]) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    assert 0 <= divergence(first, second) <= 1
    assert divergence(first, second) == pytest.approx(divergence(second, first))


def test_entities_keep_their_bucket_and_their_count() -> None:
    counts = buckets_of({"heat": 3, "alien": 4})
    assert len(counts) == BUCKETS
    assert sorted(counts)[-2:] == [3, 4]
    assert buckets_of({"heat": 5}).index(5) == counts.index(3)


def test_counts_by_name_are_put_side_by_side() -> None:
    assert aligned({"click": 1, "play": 2}, {"play": 3, "rate": 4}) == ([1, 2, 0], [0, 3, 4])
