"""The page without a model: same events, same rules, the most popular first."""

from random import Random

import numpy as np
import pytest
from engine.factories_engine import placed_rows
from hypothesis import given, settings
from rules.factories_rules import (
    SEEDS,
    SMALL_LIMITS,
    compare,
    compiled,
    entity,
    facts,
    predicate_row,
    random_request,
    random_snapshot,
    source_row,
)

from pagecast.engine.page_events import EntityChosen, PageEnded, RowBegun, RowEnded
from pagecast.engine.popular import popular_page
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker
from pagecast.v1 import catalog_pb2

SCORES = np.array([0.0, 5.0, 1.0, 5.0, 9.0, 2.0])


def rules_of(**request: object) -> PageRules:
    catalog = compiled(
        [entity(f"e{i}", "Comedy" if i < 4 else "Drama", released_at_ms=i) for i in range(6)],
        [
            predicate_row("comedy", compare("genre", "Comedy")),
            source_row("recent", catalog_pb2.ROW_SOURCE_RECENT, pin=0),
            source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE),
            predicate_row("all"),
        ],
    )
    return compile_rules(catalog, facts(**request), (), SMALL_LIMITS)


def rows_and_entities(rules: PageRules) -> list[tuple[int, tuple[int, ...]]]:
    return [(row.row, row.entities) for row in placed_rows(list(popular_page(rules, SCORES)))]


def test_pins_first_then_rows_in_catalog_order_each_in_its_own_order() -> None:
    rules = rules_of(entities_per_row=2, resume=("e0", "e1"))
    assert rows_and_entities(rules) == [(1, (5, 4)), (0, (1, 3)), (2, (0,))]


def test_the_highest_score_comes_first_and_of_equals_the_lowest_index() -> None:
    entities = rules_of().catalog.snapshot.entities
    without_pin = compile_rules(compiled(entities, [predicate_row("all")]), facts(), ())
    assert rows_and_entities(without_pin) == [(0, (4, 1, 3, 5, 2, 0))]


def test_nothing_is_estimated() -> None:
    events = list(popular_page(rules_of(), SCORES))
    chosen = [e for e in events if isinstance(e, RowBegun | EntityChosen)]
    assert {e.log_probability for e in chosen} == {0.0}
    end = events[-1]
    assert isinstance(end, PageEnded)
    assert (end.runs, end.near_ties) == (0, 0)
    assert isinstance(events[-2], RowEnded)


@pytest.mark.parametrize("scores", [SCORES[:5], SCORES + np.nan, SCORES - np.inf])
def test_scores_that_do_not_fit_the_catalog_are_refused(scores: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match="scores_N must be 6 finite numbers"):
        popular_page(rules_of(), scores)


@settings(max_examples=200, deadline=None)
@given(random=SEEDS)
def test_no_popular_page_breaks_a_rule(random: Random) -> None:
    catalog, request = random_snapshot(random), random_request(random)
    entities = range(len(catalog.entities))
    popular = random.sample(entities, random.randint(0, len(entities)))
    rules = compile_rules(CompiledCatalog(catalog), request, popular, SMALL_LIMITS)
    scores_N = np.array([random.choice((0.0, 0.5, 3.0)) for _ in entities])
    events = list(popular_page(rules, scores_N))
    end = events[-1]
    assert isinstance(end, PageEnded)
    checker = PageChecker(CheckedCatalog(catalog), request, popular, SMALL_LIMITS)
    assert checker.broken(placed_rows(events), end.finish_reason) == []
