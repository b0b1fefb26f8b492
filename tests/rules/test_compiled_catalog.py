"""A catalog is compiled once, and then only where it changed."""

from random import Random

import numpy as np
from factories import START_MS
from hypothesis import given, settings
from rules.factories_rules import (
    SEEDS,
    compare,
    compiled,
    entity,
    predicate_row,
    random_entity,
    random_row,
    random_snapshot,
    snapshot,
    source_row,
)

from pagecast.rules import bitsets
from pagecast.rules.compiled_catalog import CompiledCatalog, changed_entities
from pagecast.v1 import catalog_pb2


def test_each_row_with_a_predicate_has_its_bitmap() -> None:
    catalog = compiled(
        [entity("a", "Comedy"), entity("b", "Drama")],
        [
            predicate_row("comedy", compare("genre", "Comedy")),
            predicate_row("gone", retired=True),
            source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR),
            predicate_row("all"),
        ],
    )
    assert catalog.bitmaps_RN.tolist() == [[True, False], [False] * 2, [False] * 2, [True, True]]


def test_entities_that_share_a_genre() -> None:
    catalog = compiled(
        [entity("a", "Comedy", "Drama"), entity("b", "Drama"), entity("c", "Western"), entity("d")]
    )
    assert bitsets.members(catalog.sharing_genre(0), 4).tolist() == [0, 1]
    assert bitsets.members(catalog.sharing_genre(3), 4).tolist() == []


def test_entities_by_age_and_kind() -> None:
    catalog = compiled([entity("a", maturity=12), entity("b", kind=2), entity("c", maturity=18)])
    assert bitsets.members(catalog.suitable(12), 3).tolist() == [0, 1]
    assert bitsets.members(catalog.of_kind(2), 3).tolist() == [1]
    assert bitsets.members(catalog.of_kind(4), 3).tolist() == []


def test_releases_newest_first_and_ties_by_index() -> None:
    catalog = compiled(
        [
            entity("a", released_at_ms=START_MS),
            entity("b"),
            entity("c", released_at_ms=START_MS + 1),
            entity("d", released_at_ms=START_MS),
        ]
    )
    indices, before_ms = catalog.newest_released
    assert indices.tolist() == [2, 0, 3]
    assert before_ms.tolist() == [-START_MS - 1, -START_MS, -START_MS]


def test_only_other_versions_count_as_changed() -> None:
    older = snapshot([entity("a"), entity("b"), entity("c")])
    newer = snapshot([entity("a"), entity("b", number=2), entity("c"), entity("d")])
    assert changed_entities(older, newer).tolist() == [1, 3]
    assert changed_entities(older, older).tolist() == []


def test_a_catalog_that_started_over_has_changed_even_where_numbers_agree() -> None:
    older = snapshot([entity("a"), entity("b")])
    newer = snapshot([entity("b"), entity("b", changed_at_ms=START_MS + 1)])
    assert changed_entities(older, newer).tolist() == [0, 1]


@settings(max_examples=200, deadline=None)
@given(random=SEEDS)
def test_an_extended_catalog_equals_one_compiled_from_scratch(random: Random) -> None:
    older = random_snapshot(random)
    entities = [
        random_entity(random, e.entity_id, number=2) if random.random() < 0.3 else e
        for e in older.entities
    ]
    rows = [random_row(random, r.row_id) if random.random() < 0.3 else r for r in older.rows]
    newer = snapshot([*entities, entity("new", "Comedy")], [*rows, predicate_row("new")], 2)
    extended = CompiledCatalog(newer, older=CompiledCatalog(older))
    np.testing.assert_array_equal(extended.words_RW, CompiledCatalog(newer).words_RW)


def test_a_smaller_catalog_is_compiled_as_well() -> None:
    older = compiled([entity("a"), entity("b")], [predicate_row("all"), predicate_row("more")])
    newer = snapshot([entity("c", number=7)], [predicate_row("all")])
    assert CompiledCatalog(newer, older=older).bitmaps_RN.tolist() == [[True]]
