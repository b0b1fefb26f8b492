import math

import pytest
from trainer.evaluation.factories_evaluation import data_of, part_of, request_of, untold

from pagecast.trainer.evaluation.systems.popularity import (
    DAY_MS,
    RESCALE_HALVINGS,
    DecayedCounts,
    Popularity,
    half_life_chosen,
    popularity_candidates,
)

DAY_S = DAY_MS / 1000


def test_counts_halve_every_half_life() -> None:
    data = data_of(("1", "a", 0), ("2", "a", 2 * DAY_S), ("3", "b", 4 * DAY_S))
    popularity = Popularity(2.0)
    popularity.fit(part_of(data), untold)
    (score_N,) = popularity.scores([request_of(data)])
    assert score_N.tolist() == [0.25 + 0.5, 1.0]


def test_without_a_half_life_every_interaction_counts_alike() -> None:
    data = data_of(("1", "a", 0), ("2", "a", 2 * DAY_S), ("3", "b", 400 * DAY_S))
    popularity = Popularity(math.inf)
    popularity.fit(part_of(data), untold)
    assert popularity.score_N.tolist() == [2.0, 1.0]


def test_what_is_revealed_counts_more_than_what_is_older() -> None:
    data = data_of(("1", "a", 0), ("1", "b", 3 * DAY_S))
    popularity = Popularity(1.0)
    popularity.fit(part_of(data), untold)
    before = popularity.score_N.tolist()
    popularity.reveal(0)
    assert popularity.score_N.tolist() == [before[0] * 2, before[1]]


def test_a_long_time_does_not_overflow() -> None:
    counts = DecayedCounts(2, 1.0)
    counts.add(0, 0)
    counts.add(round((RESCALE_HALVINGS + 5) * DAY_MS), 1)
    counts.add(round(3000 * DAY_MS), 1)
    assert counts.score_N[1] > counts.score_N[0] >= 0.0
    assert math.isfinite(counts.score_N[1])


def test_an_infinite_half_life_is_told_as_a_word() -> None:
    assert half_life_chosen(math.inf) == {"half_life_days": "infinite"}
    assert half_life_chosen(7.0) == {"half_life_days": 7.0}
    assert {"half_life_days": "infinite"} in [c.chosen for c in popularity_candidates(0)]


def test_a_fit_part_without_interactions_scores_nothing() -> None:
    data = data_of(("1", "a", 0))
    part = part_of(data)
    part.fit_X[:] = False
    popularity = Popularity(1.0)
    popularity.fit(part, untold)
    assert popularity.score_N == pytest.approx([0.0])
