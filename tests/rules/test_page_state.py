"""The grammar (ROW ENTITY+)+: no page ever breaks a rule, for any rules and any choices."""

import dataclasses
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from rules.factories_rules import (
    SEEDS,
    SMALL_LIMITS,
    compare,
    compiled,
    entity,
    facts,
    fill_row,
    predicate_row,
    random_request,
    random_snapshot,
    source_row,
)

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogRow
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import KindCap, RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.rules.page_state import NO_ARGUMENT, PageState, RowEnd, RuleBrokenError
from pagecast.rules.standing_row import StandingRow
from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker, PlacedRow
from pagecast.v1 import catalog_pb2, homepage_pb2

COMEDIES = [entity(f"c{i}", "Comedy") for i in range(5)]
DRAMAS = [entity(f"d{i}", "Drama") for i in range(5)]
COMEDY = predicate_row("comedy", compare("genre", "Comedy"))
DRAMA = predicate_row("drama", compare("genre", "Drama"))
ALL = predicate_row("all")


def state_of(
    rows: list[CatalogRow],
    entities: list[CatalogEntity] | None = None,
    request: RequestFacts | None = None,
) -> PageState:
    catalog = compiled(COMEDIES + DRAMAS if entities is None else entities, rows)
    return PageState(compile_rules(catalog, request or facts(), ()))


def may_begin(state: PageState) -> list[int]:
    return np.flatnonzero(state.row_mask_R).tolist()


def may_stand(state: PageState) -> list[int]:
    return np.flatnonzero(state.entity_mask_N).tolist()


def test_a_page_is_rows_of_entities_until_it_has_its_rows() -> None:
    state = state_of([COMEDY, DRAMA], request=facts(rows=2, entities_per_row=3))
    assert may_begin(state) == [0, 1]
    assert state.begin_row(1) == NO_ARGUMENT
    assert may_stand(state) == [5, 6, 7, 8, 9]
    for index in (9, 5, 7):
        state.place(index)
    assert state.row_complete
    assert state.end_row() is RowEnd.FULL
    assert state.finish_reason == homepage_pb2.FINISH_REASON_UNSPECIFIED
    assert fill_row(state, 0) == [0, 1, 2]
    assert state.page_complete
    assert state.finish_reason == homepage_pb2.FINISH_REASON_ROWS
    assert (state.rows_ended, state.rows_cut_short) == (2, 0)


def test_a_row_stands_once_and_an_entity_once_whichever_the_row() -> None:
    state = state_of([ALL, COMEDY, DRAMA], request=facts(entities_per_row=4))
    fill_row(state, 0)
    assert may_begin(state) == [2]
    state.begin_row(2)
    assert may_stand(state) == [5, 6, 7, 8, 9]


def test_a_row_begins_only_with_enough_unplaced_candidates() -> None:
    rows = [ALL, COMEDY]
    assert may_begin(state_of(rows, COMEDIES[:2] + DRAMAS)) == [0]
    state = state_of(rows, COMEDIES[:3] + DRAMAS, facts(entities_per_row=3))
    assert may_begin(state) == [0, 1]
    fill_row(state, 0, [0])
    assert may_begin(state) == []
    assert state.finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE


def test_a_row_whose_candidates_run_out_ends_early_and_is_counted() -> None:
    state = state_of([COMEDY])
    state.begin_row(0)
    for index in range(5):
        assert not state.row_complete
        state.place(index)
    assert state.end_row() is RowEnd.CANDIDATES_RAN_OUT
    assert state.rows_cut_short == 1
    assert state.finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE


def test_a_pinned_row_stands_at_its_position_and_nowhere_else() -> None:
    pinned = predicate_row("pinned", compare("genre", "Drama"), pin=1)
    state = state_of([COMEDY, pinned, ALL], request=facts(entities_per_row=3))
    assert may_begin(state) == [0, 2]
    fill_row(state, 0)
    assert may_begin(state) == [1]
    fill_row(state, 1)
    assert may_begin(state) == [2]


def test_a_pinned_row_without_enough_entities_leaves_its_position_to_others() -> None:
    pinned = predicate_row("pinned", compare("genre", "Drama"), pin=0)
    state = state_of([COMEDY, pinned], COMEDIES + DRAMAS[:2])
    assert may_begin(state) == [0]


def test_rows_pinned_to_one_position_compete_for_it() -> None:
    rows = [predicate_row("one", pin=0), COMEDY, predicate_row("two", pin=0)]
    assert may_begin(state_of(rows)) == [0, 2]


def test_first_entities_come_first_where_they_are_candidates() -> None:
    row = predicate_row(
        "comedy", compare("genre", "Comedy"), first_entity_ids=("c3", "d1", "c1", "nobody")
    )
    state = state_of([row], request=facts(entities_per_row=4, hidden=frozenset({"c0"})))
    state.begin_row(0)
    assert may_stand(state) == [3]
    with pytest.raises(RuleBrokenError):
        state.place(1)
    state.place(3)
    assert may_stand(state) == [1]
    state.place(1)
    assert may_stand(state) == [2, 4]


def test_more_first_entities_than_places_fill_the_row() -> None:
    row = predicate_row("all", first_entity_ids=("d4", "d3", "d2"))
    state = state_of([row], request=facts(entities_per_row=2))
    assert fill_row(state, 0) == [9, 8]


def test_a_first_entity_already_on_the_page_is_passed_over() -> None:
    rows = [COMEDY, predicate_row("all", first_entity_ids=("c0", "d2"))]
    state = state_of(rows, request=facts(entities_per_row=3))
    fill_row(state, 0)
    state.begin_row(1)
    assert may_stand(state) == [7]


def test_because_rows_take_the_newest_argument_that_leaves_enough() -> None:
    rows = [source_row(f"because-{i}", catalog_pb2.ROW_SOURCE_BECAUSE) for i in range(3)]
    lonely = entity("w", "Western")
    request = facts(because=("w", "d0", "c0"), entities_per_row=4)
    state = state_of(rows, [*COMEDIES, *DRAMAS, lonely], request)
    assert may_begin(state) == [0, 1, 2]
    assert state.begin_row(1) == 5
    assert may_stand(state) == [6, 7, 8, 9]
    for index in may_stand(state):
        state.place(index)
    state.end_row()
    assert state.begin_row(0) == 0
    for index in may_stand(state):
        state.place(index)
    state.end_row()
    assert may_begin(state) == []


def test_continue_begins_with_a_single_entity() -> None:
    rows = [source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE)]
    assert may_begin(state_of(rows, request=facts(resume=("c1",)))) == [0]
    assert may_begin(state_of(rows)) == []


def test_a_page_for_which_nothing_is_eligible_ends_before_it_begins() -> None:
    for state in (state_of([]), state_of([ALL], [])):
        assert state.page_complete
        assert state.finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE


@pytest.mark.parametrize("row", [-1, 1, 2])
def test_a_row_that_may_not_begin_is_refused(row: int) -> None:
    state = state_of([ALL, predicate_row("none", compare("genre", "Opera"))])
    with pytest.raises(RuleBrokenError, match=f"row {row} may not stand at position 0"):
        state.begin_row(row)
    assert may_begin(state) == [0]


@pytest.mark.parametrize("index", [-1, 0, 10])
def test_an_entity_that_may_not_stand_is_refused(index: int) -> None:
    state = state_of([DRAMA])
    with pytest.raises(RuleBrokenError):
        state.place(5)
    state.begin_row(0)
    with pytest.raises(RuleBrokenError, match=f"entity {index} may not stand here"):
        state.place(index)
    assert may_stand(state) == [5, 6, 7, 8, 9]


def test_rows_neither_end_nor_go_on_out_of_turn() -> None:
    state = state_of([ALL, COMEDY], request=facts(entities_per_row=3))
    with pytest.raises(RuleBrokenError):
        state.end_row()
    state.begin_row(0)
    with pytest.raises(RuleBrokenError):
        state.begin_row(1)
    with pytest.raises(RuleBrokenError):
        state.end_row()
    for index in (9, 8, 7):
        state.place(index)
    with pytest.raises(RuleBrokenError):
        state.place(6)


SHOWS = [entity(f"s{i}", "Comedy", kind=catalog_pb2.ENTITY_KIND_SHOW) for i in range(5)]
SHOW = catalog_pb2.ENTITY_KIND_SHOW
"""Indices 0 to 4 are films, 5 to 9 shows."""


def capped(rows: list[CatalogRow], *caps: KindCap, **changes: object) -> PageState:
    return state_of(rows, COMEDIES + SHOWS, facts(kind_caps=caps, **changes))


def test_a_row_holds_no_more_of_a_kind_than_its_cap() -> None:
    state = capped([ALL], KindCap(kind=SHOW, row_max=1), entities_per_row=6)
    state.begin_row(0)
    assert len(may_stand(state)) == 10
    state.place(7)
    assert may_stand(state) == [0, 1, 2, 3, 4]
    for index in range(5):
        state.place(index)
    assert state.end_row() is RowEnd.FULL


def test_a_row_that_caps_hold_back_ends_early_and_says_so() -> None:
    state = capped([ALL], KindCap(kind=SHOW, row_max=1), entities_per_row=7)
    assert len(fill_row(state, 0)) == state.row_length == 6
    assert state.rows_cut_short == 1


def test_a_page_holds_no_more_of_a_kind_than_its_cap() -> None:
    state = capped([ALL, COMEDY], KindCap(kind=SHOW, page_max=3), entities_per_row=4)
    fill_row(state, 0, [5, 0, 6, 1])
    state.begin_row(1)
    assert may_stand(state) == [2, 3, 4, 7, 8, 9]
    state.place(9)
    assert may_stand(state) == [2, 3, 4]


def test_a_row_begins_only_if_caps_let_it_hold_enough() -> None:
    shows = predicate_row("shows", compare("kind", "show"))
    state = capped([shows, ALL], KindCap(kind=SHOW, row_max=2))
    assert may_begin(state) == [1]
    state = capped([shows], KindCap(kind=SHOW, row_max=2))
    assert state.finish_reason == homepage_pb2.FINISH_REASON_CAPPED
    state = capped([shows], KindCap(kind=SHOW, row_max=3))
    assert may_begin(state) == [0]


def test_a_first_entity_gives_way_to_a_cap() -> None:
    first = predicate_row("all", first_entity_ids=("s0", "s1", "c4"))
    state = capped([first], KindCap(kind=SHOW, row_max=1), entities_per_row=3)
    state.begin_row(0)
    assert may_stand(state) == [5]
    state.place(5)
    assert may_stand(state) == [4]
    state.place(4)
    assert may_stand(state) == [0, 1, 2, 3]


def test_a_cap_of_none_leaves_a_kind_out() -> None:
    state = capped([ALL], KindCap(kind=SHOW, row_max=0), entities_per_row=8)
    assert fill_row(state, 0) == [0, 1, 2, 3, 4]


LOGITS = (float("-inf"), -1.0, 0.0, 0.0, 1.0, 1e30)


@settings(max_examples=500, deadline=None)
@given(random=SEEDS)
def test_no_page_breaks_a_rule(random: Random) -> None:
    snapshot, request = random_snapshot(random), random_request(random)
    entities = range(len(snapshot.entities))
    popular = random.sample(entities, random.randint(0, len(entities)))
    logits_N = random.choices(LOGITS, k=len(entities))
    row_logits_R = random.choices(LOGITS, k=len(snapshot.rows))
    state = PageState(compile_rules(CompiledCatalog(snapshot), request, popular, SMALL_LIMITS))
    page = []
    while not state.page_complete:
        row = max(may_begin(state), key=lambda r: row_logits_R[r])
        argument = state.begin_row(row)
        placed = []
        while not state.row_complete:
            may = may_stand(state)
            scores_C = np.zeros(len(state.candidates_C))
            allowed_C = np.isfinite(state.entity_mask.apply(scores_C))
            assert may == state.candidates_C[allowed_C].tolist()
            placed.append(max(may, key=lambda e: logits_N[e]))
            state.place(placed[-1])
        end = state.end_row()
        named = None if argument == NO_ARGUMENT else argument
        page.append(PlacedRow(row, named, tuple(placed), end))
    checker = PageChecker(CheckedCatalog(snapshot), request, popular, SMALL_LIMITS)
    assert checker.broken(page, state.finish_reason) == []


@settings(max_examples=200, deadline=None)
@given(random=SEEDS)
def test_a_row_that_is_narrowed_keeps_its_length_and_its_rules(random: Random) -> None:
    snapshot, request = random_snapshot(random), random_request(random)
    state = PageState(compile_rules(CompiledCatalog(snapshot), request, (), SMALL_LIMITS))
    page = []
    while not state.page_complete:
        row = random.choice(may_begin(state))
        argument, length, could = state.begin_row(row), state.row_length, state.candidates_C
        most = random.randint(0, len(could))
        kept = np.array(sorted(random.sample(range(len(could)), most)), np.int64)
        if state.narrow(kept):
            assert set(could[kept]) <= set(state.candidates_C) <= set(could)
        else:
            assert state.candidates_C is could
        assert state.row_length == length
        placed = []
        while not state.row_complete:
            placed.append(random.choice(may_stand(state)))
            state.place(placed[-1])
        end = state.end_row()
        named = None if argument == NO_ARGUMENT else argument
        page.append(PlacedRow(row, named, tuple(placed), end))
    checker = PageChecker(CheckedCatalog(snapshot), request, (), SMALL_LIMITS)
    assert checker.broken(page, state.finish_reason) == []


def test_a_narrowed_row_still_begins_with_what_must_come_first() -> None:
    first = predicate_row("first", compare("genre", "Comedy"), first_entity_ids=("c4",))
    state = state_of([first], request=facts(entities_per_row=3))
    state.begin_row(0)
    assert state.narrow(np.array([0, 1]))
    assert state.candidates_C.tolist() == [0, 1, 4]
    assert may_stand(state) == [4]
    for index in (4, 1, 0):
        state.place(index)
    assert state.end_row() is RowEnd.FULL


def test_candidates_too_few_to_fill_the_row_under_its_caps_do_not_narrow_it() -> None:
    shows = [entity(f"s{i}", "Comedy", kind=2) for i in range(3)]
    movies = [entity(f"m{i}", "Comedy", kind=1) for i in range(3)]
    request = facts(entities_per_row=4, kind_caps=(KindCap(kind=1, row_max=1),))
    state = state_of([ALL], shows + movies, request)
    state.begin_row(0)
    assert not state.narrow(np.array([0, 3, 4, 5]))
    assert may_stand(state) == [0, 1, 2, 3, 4, 5]
    assert state.narrow(np.array([0, 1, 2, 5]))
    assert may_stand(state) == [0, 1, 2, 5]


@settings(max_examples=200, deadline=None)
@given(random=SEEDS)
def test_whatever_has_changed_nothing_that_stands_comes_again(random: Random) -> None:
    snapshot = random_snapshot(random)
    popular = random.sample(range(len(snapshot.entities)), len(snapshot.entities))

    def walked(standing: list[StandingRow]) -> list[StandingRow]:
        request = random_request(random)
        request = dataclasses.replace(request, rows=request.rows + len(standing))
        catalog = CompiledCatalog(snapshot)
        rules = compile_rules(catalog, request, popular, SMALL_LIMITS, standing)
        state = PageState(rules)
        rows = []
        assert state.rows_ended == len(standing)
        while not state.page_complete:
            row = random.choice(may_begin(state))
            argument = state.begin_row(row)
            placed = []
            while not state.row_complete:
                placed.append(random.choice(may_stand(state)))
                state.place(placed[-1])
            state.end_row()
            rows.append(StandingRow(row=row, argument=argument, entities=tuple(placed)))
        assert state.rows_ended == len(standing) + len(rows) <= request.rows
        return rows

    page: list[StandingRow] = []
    for _ in range(3):
        page += walked(page)
    assert len({row.row for row in page}) == len(page)
    arguments = [row.argument for row in page if row.argument != NO_ARGUMENT]
    assert len(set(arguments)) == len(arguments)
    entities = [entity for row in page for entity in row.entities]
    assert len(set(entities)) == len(entities)
