"""What a row's source names, best first."""

import numpy as np
import pytest
from factories import START_MS
from rules.factories_rules import DAY_MS, compiled, entity

from pagecast.rules import bitsets, sources
from pagecast.rules.bitsets import Words
from pagecast.rules.compiled_catalog import CompiledCatalog


def those(*values: int) -> Words:
    return bitsets.pack(np.array(values, bool))


@pytest.fixture
def releases() -> CompiledCatalog:
    """Released yesterday, tomorrow, today, never."""
    days = (-1, 1, 0)
    released = [entity(f"e{day}", released_at_ms=START_MS + day * DAY_MS) for day in days]
    return compiled([*released, entity("never")])


def test_popular_are_the_best_ranked_that_are_eligible() -> None:
    ranking = np.array([3, 1, 0, 2])
    assert sources.popular(ranking, those(1, 0, 1, 1), 2).tolist() == [3, 0]
    assert sources.popular(ranking[:0], those(1, 0, 1, 1), 2).tolist() == []


def test_recent_are_the_newest_already_released(releases: CompiledCatalog) -> None:
    everyone = those(1, 1, 1, 1)
    assert sources.recent(releases, START_MS, everyone, 9).tolist() == [2, 0]
    assert sources.recent(releases, START_MS + DAY_MS, everyone, 2).tolist() == [1, 2]
    assert sources.recent(releases, START_MS, those(1, 1, 0, 1), 9).tolist() == [0]
    assert sources.recent(releases, START_MS - 2 * DAY_MS, everyone, 9).tolist() == []


def test_newest_keeps_the_order_and_only_what_is_offered() -> None:
    indices = np.array([2, 0, 3])
    assert sources.newest(indices, those(1, 1, 0, 1), 9).tolist() == [0, 3]
    assert sources.newest(indices, those(1, 1, 0, 1), 1).tolist() == [0]


def test_like_an_argument_is_what_shares_a_genre_and_is_not_it() -> None:
    catalog = compiled([entity(f"e{i}", genre) for i, genre in enumerate("AABA")])
    like_W = sources.like(catalog, 0, those(1, 1, 1, 0))
    assert bitsets.unpack(like_W, 4).tolist() == [False, True, False, False]
