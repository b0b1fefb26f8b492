from functools import cache

import numpy as np
import pytest

from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.cells import DataView
from pagecast.trainer.benchmarks.made_up import LEAST, MOST, made_up
from pagecast.trainer.benchmarks.views import newest, some_users, viewed
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, plan_of

USERS = 30


@cache
def data() -> Interactions:
    return made_up(DEFAULT_FOLD, users=USERS)


def test_made_up_histories_are_about_as_long_as_those_of_movielens() -> None:
    lengths = np.diff(made_up(DEFAULT_FOLD, users=200).begin_U)
    assert lengths.min() >= LEAST
    assert lengths.max() <= MOST
    assert 50 < np.median(lengths) < 85
    assert 80 < lengths.mean() < 140


def test_the_same_seed_makes_the_same_histories_up() -> None:
    again = made_up(DEFAULT_FOLD, users=USERS)
    assert again.split_sha256() == data().split_sha256()
    assert made_up(DEFAULT_FOLD, users=USERS, seed=1).split_sha256() != data().split_sha256()


def test_a_view_with_short_windows_has_the_same_interactions() -> None:
    short = made_up(DataView(steps_max=32).fold(), users=USERS)
    assert short.split_sha256() == data().split_sha256()
    longest = max(range(USERS), key=lambda user: len(short.users[user].steps))
    own = short.users[longest]
    assert (np.arange(len(own.steps)) - own.first_N).max() <= 32


def test_some_users_are_whole() -> None:
    some = some_users(data(), 7)
    assert len(some.users) == 7
    by_id = {user.user_id: user for user in data().users}
    assert all(by_id[user.user_id] == user or by_id[user.user_id] is user for user in some.users)
    assert some_users(data(), USERS + 1) is data()


def test_the_newest_steps_are_one_window() -> None:
    cut = newest(data(), 25)
    for user, whole in zip(cut.users, data().users, strict=True):
        assert user.steps == whole.steps[-25:]
        assert len(user.steps) == len(user.first_N) == len(user.cut_N) == len(user.new_N)
        assert not user.first_N.any()


@pytest.mark.parametrize("name", ["genres", "years", "metadata"])
def test_what_the_catalog_must_do_without_is_gone_and_nothing_else(name: str) -> None:
    without = viewed(data(), [name])
    assert without.split_sha256() == data().split_sha256()
    for entity, was in zip(without.catalog.entities, data().catalog.entities, strict=True):
        assert entity.entity_id == was.entity_id
        assert bool(entity.genres) == (name == "years")
        assert ("year" in entity.attributes) == (name == "genres")


def test_without_times_the_order_is_left_and_so_is_the_split() -> None:
    without = viewed(data(), ["times"])
    assert without.entity_X.tolist() == data().entity_X.tolist()
    for user in without.users:
        at_ms = [step.occurred_at_ms for step in user.steps]
        assert set(np.diff(at_ms)) == {1000}

    def targets(of: Interactions) -> list[int]:
        return sorted(plan_of(LEAVE_ONE_OUT, of).validation.targets().tolist())

    assert targets(without) == targets(data())


def test_what_cannot_be_left_out_is_named() -> None:
    with pytest.raises(ValueError, match="without: 'titles' is none of genres, years"):
        viewed(data(), ["titles"])
