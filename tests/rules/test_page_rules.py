"""The rules of a request: each row's candidates here and now."""

import pytest
from factories import START_MS
from rules.factories_rules import (
    DAY_MS,
    compare,
    compiled,
    entity,
    facts,
    predicate_row,
    source_row,
)

from pagecast.rules import bitsets
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import AskedRow, KindCap, RequestFacts, RulesConfig
from pagecast.rules.page_rules import UNPINNED, PageRules, compile_rules
from pagecast.v1 import catalog_pb2

COMEDY, POPULAR, RECENT, CONTINUE, BECAUSE = range(5)

CATALOG = compiled(
    [
        entity("c0", "Comedy", released_at_ms=START_MS - DAY_MS),
        entity("c1", "Comedy", released_at_ms=START_MS),
        entity("c2", "Comedy", released_at_ms=START_MS + DAY_MS),
        entity("d3", "Drama", maturity=18),
        entity("x4", "Comedy", "Drama"),
    ],
    [
        predicate_row("comedy", compare("genre", "Comedy"), pin=2, first_entity_ids=("x4", "no")),
        source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR),
        source_row("recent", catalog_pb2.ROW_SOURCE_RECENT),
        source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE),
        source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE),
    ],
)

ROW_IDS = [row.row_id for row in CATALOG.snapshot.rows]


def rules_of(
    request: RequestFacts | None = None,
    popular: tuple[int, ...] = (4, 3, 2, 1, 0),
    catalog: CompiledCatalog = CATALOG,
    **limits: int,
) -> PageRules:
    return compile_rules(catalog, request or facts(), popular, RulesConfig(**limits))


def candidates(rules: PageRules, row: int, argument: int | None = None) -> list[int]:
    """Of a BECAUSE row with its argument, by the argument's place in `arguments_A`."""
    stand_W = rules.candidates_RW[row]
    if argument is not None:
        stand_W = stand_W & rules.like_AW[argument]
    return bitsets.members(stand_W, len(rules.catalog.snapshot.entities)).tolist()


def test_a_row_with_a_predicate_holds_what_is_eligible_of_it() -> None:
    assert candidates(rules_of(), COMEDY) == [0, 1, 2, 4]
    assert candidates(rules_of(facts(watched=frozenset({"c1"}))), COMEDY) == [0, 2, 4]


def test_each_source_has_its_candidates_and_their_order() -> None:
    rules = rules_of(facts(resume=("d3", "c0", "nobody")), popular_entities_max=3)
    assert rules.source_order[POPULAR] == (4, 3, 2)
    assert rules.source_order[RECENT] == (1, 0)
    assert rules.source_order[CONTINUE] == (3, 0)
    assert rules.source_order[COMEDY] == rules.source_order[BECAUSE] == ()
    for row in (POPULAR, RECENT, CONTINUE):
        assert candidates(rules, row) == sorted(rules.source_order[row])


def test_the_watched_stand_in_continue_alone() -> None:
    rules = rules_of(facts(watched=frozenset({"c0"}), resume=("c0",)))
    assert [row for row in range(5) if 0 in candidates(rules, row)] == [CONTINUE]


def test_continue_keeps_the_rules_that_are_not_about_taste() -> None:
    rules = rules_of(facts(resume=("d3", "c0", "c1"), maturity_limit=12, hidden=frozenset({"c1"})))
    assert candidates(rules, CONTINUE) == [0]


@pytest.mark.parametrize(
    ("limit", "row", "expected"),
    [
        ("popular_entities_max", POPULAR, [4]),
        ("recent_entities_max", RECENT, [1]),
        ("continue_entities_max", CONTINUE, [2]),
    ],
)
def test_each_source_is_bounded(limit: str, row: int, expected: list[int]) -> None:
    rules = rules_of(facts(resume=("c2", "c1")), **{limit: 1})
    assert candidates(rules, row) == expected


def test_each_argument_has_what_is_like_it() -> None:
    rules = rules_of(facts(because=("d3", "c0", "nobody", "d3"), watched=frozenset({"d3"})))
    assert rules.arguments_A.tolist() == [3, 0]
    assert candidates(rules, BECAUSE, 0) == [4]
    assert candidates(rules, BECAUSE, 1) == [1, 2, 4]


def test_arguments_are_bounded_and_their_titles_may_be_shown() -> None:
    assert rules_of(facts(because=("c0", "c1")), because_arguments_max=1).arguments_A.tolist() == [
        0
    ]
    too_old = facts(because=("d3", "c0"), maturity_limit=12)
    assert rules_of(too_old).arguments_A.tolist() == [0]


def test_pins_first_entities_and_minima_follow_the_rows() -> None:
    rules = rules_of(row_entities_min=4)
    assert rules.pin_R.tolist() == [2, *[UNPINNED] * 4]
    assert rules.first_entities == ((4,), (), (), (), ())
    assert rules.entities_min_R.tolist() == [4, 4, 4, 1, 4]
    assert rules_of(facts(entities_per_row=2)).entities_min_R.tolist() == [2, 2, 2, 1, 2]
    assert rules_of(facts(row_entities_min=5)).entities_min_R.tolist() == [5] * 5
    assert rules.entities_max_R.tolist() == [10] * 5


def test_rows_a_caller_names_are_the_only_ones_and_as_it_says() -> None:
    comedy = AskedRow(
        row_id="comedy", entities=("c2", "d3", "nobody"), entities_min=1, entities_max=2, pin=0
    )
    rules = rules_of(facts(asked_rows=(comedy, AskedRow(row_id="recent"), AskedRow(row_id="no"))))
    assert [candidates(rules, row) for row in range(5)] == [[2], [], [0, 1], [], []]
    assert rules.entities_min_R.tolist() == [1, 3, 3, 1, 3]
    assert rules.entities_max_R.tolist() == [2, 10, 10, 10, 10]
    assert rules.pin_R.tolist() == [0, *[UNPINNED] * 4]
    assert not rules_of(facts(asked_rows=())).candidates_RW.any()


def test_a_minimum_above_a_caller_s_own_maximum_is_that_maximum() -> None:
    short = AskedRow(row_id="comedy", entities_max=2)
    rules = rules_of(facts(asked_rows=(short,)))
    assert rules.entities_min_R[COMEDY] == 2


def test_entities_a_caller_names_narrow_every_row_but_not_what_rows_are_about() -> None:
    rules = rules_of(facts(entities=("c1", "d3"), because=("c0",), resume=("c0", "c1")))
    assert [candidates(rules, row) for row in range(4)] == [[1], [1, 3], [1], [1]]
    assert rules.arguments_A.tolist() == [0]
    assert candidates(rules, BECAUSE, 0) == [1]


def test_a_because_row_holds_of_what_is_like_its_argument_what_the_caller_named() -> None:
    named = AskedRow(row_id="because", entities=("c2", "d3"))
    rules = rules_of(facts(asked_rows=(named,), because=("c0",)))
    assert candidates(rules, BECAUSE, 0) == [2]


def test_retired_rows_hold_nothing() -> None:
    rows = [
        source_row("recent", catalog_pb2.ROW_SOURCE_RECENT, retired=True),
        source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE, retired=True),
        predicate_row("all", retired=True),
    ]
    catalog = compiled(CATALOG.snapshot.entities, rows)
    rules = rules_of(facts(because=("c0",)), catalog=catalog)
    assert not rules.candidates_RW.any()
    assert not rules.because_R.any()
    assert not rules.arguments_A.size


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_outside_the_snapshot_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="popular must hold entity indices from 0 to 4"):
        rules_of(popular=(0, index))


def test_an_empty_catalog_has_rules() -> None:
    rules = rules_of(facts(resume=("a",), because=("b",)), popular=(), catalog=compiled([]))
    assert rules.candidates_RW.shape == (0, 0)


def test_the_digest_is_the_same_for_the_same_rules() -> None:
    hexadecimal = rules_of().sha256
    assert len(hexadecimal) == 64
    assert hexadecimal == rules_of().sha256
    assert hexadecimal == rules_of(facts(hidden=frozenset({"nobody"}))).sha256


@pytest.mark.parametrize(
    "other",
    [
        rules_of(facts(rows=3)),
        rules_of(facts(entities_per_row=4)),
        rules_of(facts(hidden=frozenset({"c0"}))),
        rules_of(facts(because=("c0",))),
        rules_of(popular=(3, 4, 2, 1, 0)),
        rules_of(row_entities_min=2),
        rules_of(facts(kind_caps=(KindCap(kind=1, row_max=2),))),
        rules_of(facts(kind_caps=(KindCap(kind=1, page_max=2),))),
        rules_of(facts(entities=("c0", "c1"))),
        rules_of(facts(asked_rows=(AskedRow(row_id="comedy"),))),
        rules_of(facts(asked_rows=tuple(AskedRow(row_id=r, pin=3) for r in ROW_IDS))),
    ],
    ids=[
        "rows",
        "entities",
        "hidden",
        "because",
        "popular",
        "minimum",
        "row cap",
        "page cap",
        "named entities",
        "named rows",
        "pins",
    ],
)
def test_the_digest_differs_where_the_rules_do(other: PageRules) -> None:
    assert other.sha256 != rules_of().sha256
