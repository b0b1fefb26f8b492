"""Exposure counts what was on a screen; the head is what people took up most."""

import numpy as np
import pytest
from cli.bench.align.factories_loop import catalog_of, completed, seen, seen_page
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.cli.bench.align.loop.exposure import HEAD_SHARE, Ranks, exposure, ranks
from pagecast.simulator.data import TrainingData

KNOWN = Ranks(head=frozenset({"hit"}), tail=frozenset({"rare", "rarer"}))
CATALOG = catalog_of("hit", "rare", "rarer", "new")


def people(counts: list[int]) -> TrainingData:
    """So many people took up the first entity, so many the second..."""
    pairs = [(user, entity) for entity, count in enumerate(counts) for user in range(count)]
    user_N, entity_N = np.array(pairs, np.int64).T
    return TrainingData(
        entity_ids=tuple(f"e{entity}" for entity in range(len(counts))),
        genres=((),) * len(counts),
        user_N=user_N,
        entity_N=entity_N,
        value_N=np.ones(len(pairs)),
    )


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(1, 30), min_size=3, max_size=20).filter(lambda c: max(c) > 2))
def test_the_head_has_its_share_and_nothing_that_it_could_do_without(counts: list[int]) -> None:
    catalog = catalog_of(*(f"e{number}" for number in range(len(counts))))
    found = ranks(people(counts), catalog)
    assert found.head | found.tail == {entity.entity_id for entity in catalog.entities}
    assert not found.head & found.tail
    held = sorted(counts[int(name[1:])] for name in found.head)
    assert sum(held) >= HEAD_SHARE * sum(counts) - 1e-9
    assert sum(held[1:]) < HEAD_SHARE * sum(counts)
    assert all(held[0] >= counts[int(name[1:])] for name in found.tail)


def test_shares_are_of_impressions_and_what_was_launched_is_neither_head_nor_tail() -> None:
    pages = [
        seen_page("ada", "one", seen("hit", "rare")),
        seen_page("bob", "two", [*seen("hit", "new"), completed("rarer")]),
    ]
    found = exposure(pages, CATALOG, KNOWN)
    assert (found.impressions, found.entities) == (4, 3)
    assert (found.tail, found.launched, found.coverage) == (0.25, 0.25, 0.75)


def test_as_many_count_as_are_seen_equally_often() -> None:
    evenly = exposure([seen_page("ada", "one", seen("hit", "rare", "new"))], CATALOG, KNOWN)
    assert evenly.effective == pytest.approx(3.0)
    alone = exposure([seen_page("ada", "one", seen("hit"))] * 5, CATALOG, KNOWN)
    assert alone.effective == pytest.approx(1.0)


def test_nothing_seen_is_nothing() -> None:
    found = exposure([seen_page("ada", "one", [])], CATALOG, KNOWN)
    assert (found.impressions, found.tail, found.coverage, found.effective) == (0, 0.0, 0.0, 0.0)
