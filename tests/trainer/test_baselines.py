"""Baselines on examples counted by hand."""

import numpy as np
import pytest

from pagecast.trainer.baselines import (
    LastItemCounter,
    RecentPopularity,
    Timeline,
    best_half_life_days,
    run,
    timeline,
)
from pagecast.trainer.users import UserColumns

DAY_MS = 86_400_000


def user(*steps: tuple[int, int]) -> UserColumns:
    """Steps as (time, entity)."""
    return UserColumns(
        entity_N=np.array([entity for _, entity in steps], np.int64),
        weight_N=np.ones(len(steps), np.float32),
        at_ms_N=np.array([at for at, _ in steps], np.int64),
        resumable_N=np.zeros(len(steps), np.bool_),
    )


def all_new_after(at_ms: int, *users: UserColumns, entities: int = 4) -> Timeline:
    return timeline(users, [u.at_ms_N >= at_ms for u in users], entities)


def test_popularity_halves_every_half_life() -> None:
    popularity = RecentPopularity(3, half_life_days=1.0)
    for at_days, entity in ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1)):
        popularity.reveal(at_days * DAY_MS, 0, entity)
    score_N = popularity.scores(0)
    assert score_N[1] / score_N[0] == pytest.approx(2 / 1.5)


def test_popularity_survives_many_half_lives() -> None:
    popularity = RecentPopularity(3, half_life_days=1.0)
    popularity.reveal(0, 0, 0)
    popularity.reveal(5000 * DAY_MS, 0, 1)
    popularity.reveal(5001 * DAY_MS, 0, 2)
    score_N = popularity.scores(0)
    assert np.isfinite(score_N).all()
    assert score_N.argsort().tolist() == [0, 1, 2]


def test_the_counter_knows_what_followed_the_users_last_entity() -> None:
    counter = LastItemCounter(4, half_life_days=7.0)
    for at_ms, person, entity in ((0, 1, 0), (1, 1, 2), (2, 2, 0), (3, 2, 2), (4, 3, 0)):
        counter.reveal(at_ms, person, entity)
    assert counter.scores(3).argmax() == 2
    assert int(counter.scores(3)[2]) == 2


def test_popularity_breaks_the_counters_ties() -> None:
    counter = LastItemCounter(4, half_life_days=7.0)
    for at_ms, person, entity in ((0, 1, 3), (1, 2, 3), (2, 3, 1)):
        counter.reveal(at_ms, person, entity)
    assert counter.scores(9).argsort().tolist()[-2:] == [1, 3]


def test_every_target_is_predicted_before_it_is_revealed() -> None:
    steps = all_new_after(2, user((0, 1), (1, 1)), user((2, 1), (3, 2)))
    tallies = run(RecentPopularity(4, 7.0), steps)
    assert tallies[False].targets == 2
    assert tallies[False].hr == 1.0
    assert tallies[False].ndcg == pytest.approx((1.0 + 1 / np.log2(1 + 4)) / 2)


def test_steps_of_one_moment_do_not_see_each_other() -> None:
    """Alone, each would follow from the other."""
    steps = all_new_after(5, user((0, 1), (5, 2), (5, 3)))
    tallies = run(LastItemCounter(4, 7.0), steps)
    assert tallies[False].ndcg == pytest.approx(1 / np.log2(1 + 4))


def test_what_a_user_has_seen_is_left_out_or_not() -> None:
    steps = all_new_after(2, user((0, 1), (1, 2), (2, 2)), entities=4)
    tallies = run(RecentPopularity(4, 7.0), steps)
    assert tallies[True].hits == 0
    assert tallies[False].hits == 1


def test_what_the_catalog_lacks_is_a_miss_and_teaches_nothing() -> None:
    steps = all_new_after(1, user((0, 1), (1, -1), (2, 3)))
    tallies = run(LastItemCounter(4, 7.0), steps)
    assert tallies[False].targets == 2
    assert tallies[False].hits == 1


def test_the_half_life_is_chosen_on_known_steps_only() -> None:
    """Fashion changes weekly; what is new would say otherwise."""
    known = [user(*((week * 7 * DAY_MS + i, week % 4) for i in range(20))) for week in range(30)]
    new = user(*((400 * DAY_MS + i, 0) for i in range(500)))
    steps = all_new_after(400 * DAY_MS, *known, new)
    assert best_half_life_days(steps) <= 7.0
    assert best_half_life_days(steps) == best_half_life_days(
        timeline(known, [np.zeros(20, np.bool_)] * 30, 4)
    )
