"""Chance depends on what is drawn and on nothing else."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pagecast.simulator.chance import Chance

keys = st.lists(st.one_of(st.integers(), st.text(max_size=5)), max_size=4)


@given(keys, keys)
def test_the_same_key_draws_the_same_and_another_draws_another(
    one: list[str | int], other: list[str | int]
) -> None:
    drawn = Chance(7).uniform(*one)
    assert 0.0 < drawn < 1.0
    assert Chance(7).uniform(*one) == drawn
    assert Chance(7, *one).uniform() == Chance(7).below(*one).uniform() == drawn
    if one != other:
        assert Chance(7).uniform(*other) != drawn
    assert Chance(8).uniform(*one) != drawn


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_happens_with_a_probability_happens_with_a_greater_one(one: float, two: float) -> None:
    chance = Chance(1)
    if chance.happens(min(one, two), "rain"):
        assert chance.happens(max(one, two), "rain")


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 10), min_size=1), st.integers())
def test_a_pick_is_of_what_has_a_weight(weights: dict[str, float], key: int) -> None:
    if math.fsum(weights.values()) > 0:
        assert weights[Chance(1).pick(weights, key)] > 0


def test_draws_have_the_distribution_they_say() -> None:
    chance, count = Chance(3), 4_000
    normals = [chance.normal("normal", n) for n in range(count)]
    gumbels = [chance.gumbel("gumbel", n) for n in range(count)]
    counts = [chance.poisson(0.9, 50, "count", n) for n in range(count)]
    picks = [chance.pick({"a": 1.0, "b": 3.0}, "pick", n) for n in range(count)]
    assert abs(sum(normals) / count) < 0.06
    assert abs(sum(n * n for n in normals) / count - 1.0) < 0.1
    assert abs(sum(gumbels) / count - 0.5772) < 0.08
    assert abs(sum(counts) / count - 0.9) < 0.06
    assert abs(picks.count("b") / count - 0.75) < 0.03
    assert max(chance.poisson(30.0, 6, "many", n) for n in range(100)) == 6
