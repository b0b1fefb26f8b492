"""Who is in which arm: stable, in the shares planned, and independent between experiments."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.experiments.assignment import (
    Arm,
    Experiment,
    ExperimentInvalid,
    draw_arm,
)
from pagecast.featurestore.experiments.sample_ratio import sample_ratio

USERS = [f"user-{number}" for number in range(20_000)]


def experiment(salt: bytes = b"salt", name: str = "one", **shares: float) -> Experiment:
    shares = shares or {"champion": 0.5, "rival": 0.5}
    arms = tuple(Arm(alias=alias, share=share) for alias, share in shares.items())
    return Experiment(
        name=name,
        salt=salt,
        arms=arms,
        control=arms[0].alias if arms else "",
        outcome_ms=1000,
        started_at_ms=0,
    )


@given(st.text(), st.binary(min_size=1, max_size=16))
def test_a_user_s_arm_never_changes(user_id: str, salt: bytes) -> None:
    assert experiment(salt).draw(user_id) == experiment(salt).draw(user_id)


def test_the_draw_is_the_one_that_was_always_made() -> None:
    drawn = [experiment().draw(f"user-{number}") for number in range(8)]
    assert "".join(alias[0] for alias in drawn if alias) == "ccrrcrrc"


def test_arms_get_their_shares_and_the_rest_is_left_out() -> None:
    tried = experiment(a=0.1, b=0.3, c=0.2)
    users = Counter(tried.draw(user_id) for user_id in USERS)
    assert not sample_ratio([users[name] for name in "abc"] + [users[None]], [1, 3, 2, 4]).alarm
    assert min(users.values()) > 1500


def test_a_larger_share_keeps_the_users_it_had() -> None:
    small, large = experiment(a=0.1, b=0.3), experiment(a=0.2, b=0.3)
    assert all(large.draw(user) == "a" for user in USERS[:2000] if small.draw(user) == "a")


def test_experiments_draw_independently_of_each_other() -> None:
    one, two = experiment(b"one"), experiment(b"two")
    pairs = Counter((one.draw(user_id), two.draw(user_id)) for user_id in USERS)
    assert not sample_ratio(list(pairs.values()), [1.0] * 4).alarm
    assert len(pairs) == 4


def test_the_oldest_experiment_has_a_user_and_leaves_fair_shares_to_the_next() -> None:
    one, two = experiment(b"one", "one", a=0.3, b=0.1), experiment(b"two", "two", c=0.5, d=0.5)
    drawn = [draw_arm((one, two), user_id) for user_id in USERS]
    arms = Counter((found[0].name, found[1]) for found in drawn if found)
    assert arms["one", "a"] == sum(one.draw(user_id) == "a" for user_id in USERS)
    assert not sample_ratio([arms["two", "c"], arms["two", "d"]], [1.0, 1.0]).alarm
    assert sum(arms.values()) == len(USERS)


def test_without_an_experiment_nobody_is_in_one() -> None:
    assert draw_arm((), "ada") is None


def test_ten_tenths_are_a_whole() -> None:
    tried = experiment(**{f"a{number}": 0.1 for number in range(7)}, last=0.3)
    assert None not in {tried.draw(user_id) for user_id in USERS[:5000]}


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"a": 0.6, "b": 0.5}, "the shares sum to 1.1"),
        ({"a": 0.6, "b": 0.0}, "above 0"),
        ({"a": 0.6, "b": float("nan")}, "above 0"),
        ({"a": 0.6}, "must be from 2"),
        ({f"a{number}": 0.1 for number in range(9)}, "must be from 2 to 8"),
        ({"a": 0.5, "Not An Alias": 0.1}, "small letters"),
    ],
)
def test_arms_that_cannot_be_are_refused_by_name(shares: dict[str, float], told: str) -> None:
    with pytest.raises(ExperimentInvalid, match=f"arms: .*{told}"):
        experiment(**shares)


def test_an_arm_twice_and_a_control_that_is_none_are_refused() -> None:
    twice = (Arm(alias="a", share=0.1),) * 2
    for arms, control, told in (
        (twice, "a", "arms: a more than once"),
        ((twice[0], Arm(alias="b", share=0.1)), "c", "control: 'c' is no arm: name one of a=0.1"),
    ):
        with pytest.raises(ExperimentInvalid, match=told):
            Experiment(
                name="x", salt=b"s", arms=arms, control=control, outcome_ms=1, started_at_ms=0
            )


def test_a_name_that_could_not_stand_in_a_page_is_refused() -> None:
    with pytest.raises(ExperimentInvalid, match="name: 'a/b'"):
        experiment(name="a/b")
