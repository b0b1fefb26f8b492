"""The page of the multi-stage baseline: two rankers under the rules of any page."""

from random import Random

import numpy as np
import pytest
from engine.factories_engine import placed_rows
from engine.multi_stage.factories_multi_stage import bundle_of, tables_of
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

from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.following import Following
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.engine.multi_stage.page import multi_stage_page
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.standing_row import StandingRow
from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker
from pagecast.v1 import catalog_pb2

IDS = [f"e{i}" for i in range(8)]

CATALOG = compiled(
    [entity(e, "Comedy" if i < 4 else "Drama", released_at_ms=1) for i, e in enumerate(IDS)],
    [
        predicate_row("comedy", compare("genre", "Comedy")),
        predicate_row("drama", compare("genre", "Drama")),
        source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE),
    ],
)


def prompt_of(*played: str) -> Prompt:
    steps = [
        Step(occurred_at_ms=i, action=Action.PLAY_FEATURE, entity_id=entity_id)
        for i, entity_id in enumerate(played)
    ]
    return Prompt(profile=Profile(), steps=tuple(steps), request=RequestHalf(at_ms=10))


def rules_of(**request: object) -> PageRules:
    return compile_rules(CATALOG, facts(**request), (), SMALL_LIMITS)


def page_of(
    tables: MultiStageTables,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions = DecodeOptions(),  # noqa: B008 (frozen)
) -> list[PageEvent]:
    model = MultiStageModel(bundle_of(tables), rules.catalog.snapshot)
    return list(multi_stage_page(model, prompt, rules, options))


def rows_and_entities(events: list[PageEvent]) -> list[tuple[int, tuple[int, ...]]]:
    return [(row.row, row.entities) for row in placed_rows(events)]


def test_what_goes_with_the_history_comes_first_and_so_does_its_row() -> None:
    tables = tables_of(IDS, together={("e0", "e6"): 1.0, ("e0", "e5"): 0.5})
    events = page_of(tables, prompt_of("e0"), rules_of(watched=frozenset({"e0"})))
    assert rows_and_entities(events) == [(1, (6, 5, 4, 7)), (0, (1, 2, 3))]


def test_the_newest_of_a_history_weighs_most() -> None:
    tables = tables_of(IDS, together={("e0", "e2"): 1.0, ("e1", "e3"): 1.0})
    first = [
        placed_rows(page_of(tables, prompt_of(*played), rules_of()))[0].entities[0]
        for played in (("e0", "e1"), ("e1", "e0"))
    ]
    assert first == [3, 2]


def test_a_stranger_gets_what_is_popular() -> None:
    events = page_of(tables_of(IDS, counts={"e2": 9.0, "e1": 3.0}), prompt_of(), rules_of())
    assert rows_and_entities(events)[0] == (0, (2, 1, 0, 3))


def test_what_is_unfinished_comes_first_in_its_own_order() -> None:
    tables = tables_of(IDS, counts={"e1": 9.0})
    events = page_of(tables, prompt_of(), rules_of(resume=("e7", "e1")))
    assert rows_and_entities(events)[0] == (2, (7, 1))


def test_an_entity_the_training_has_not_met_can_be_placed() -> None:
    tables = tables_of(IDS[:4], entity={"unknown": 1.0})
    assert rows_and_entities(page_of(tables, prompt_of(), rules_of()))[0][0] == 1


def test_a_page_is_carried_on_behind_what_stands() -> None:
    standing = [StandingRow(row=0, argument=-1, entities=(0, 1))]
    rules = compile_rules(CATALOG, facts(), (), SMALL_LIMITS, standing=standing)
    placed = rows_and_entities(page_of(tables_of(IDS), prompt_of(), rules))
    assert placed == [(1, (4, 5, 6, 7))]


def test_what_was_drawn_has_the_probability_that_following_it_finds() -> None:
    tables, rules, prompt = tables_of(IDS, counts={"e2": 2.0}), rules_of(), prompt_of("e3")
    options = DecodeOptions(seed=3, temperature=1.0)
    model = MultiStageModel(bundle_of(tables), CATALOG.snapshot)
    events = list(multi_stage_page(model, prompt, rules, options))
    recorded = [
        StandingRow(row=row.row, argument=row.argument, entities=row.entities)
        for row in placed_rows(events)
    ]
    following = Following(options.picker(), recorded, first=0)
    list(multi_stage_page(model, prompt, rules, options, following))
    said = [e.log_probability for e in events if isinstance(e, RowBegun | EntityChosen)]
    assert min(said) < 0
    assert said == pytest.approx([token.log_probability for token in following.tokens])
    assert all(token.same for token in following.tokens)


def test_another_catalog_is_refused() -> None:
    other = compiled([entity("e0", "Comedy")], [predicate_row("all")]).snapshot
    model = MultiStageModel(bundle_of(tables_of(IDS)), other)
    with pytest.raises(ValueError, match="two catalogs"):
        multi_stage_page(model, prompt_of(), rules_of())


@settings(max_examples=100, deadline=None)
@given(random=SEEDS)
def test_no_page_breaks_a_rule(random: Random) -> None:
    catalog, request = random_snapshot(random), random_request(random)
    popular = random.sample(range(len(catalog.entities)), random.randint(0, len(catalog.entities)))
    rules = compile_rules(CompiledCatalog(catalog), request, popular, SMALL_LIMITS)
    ids = [e.entity_id for e in catalog.entities]
    played = [random.choice(ids) for _ in range(random.randint(0, 4))] if ids else []
    tables = tables_of(ids[::2], counts=dict.fromkeys(ids[::2], random.random()))
    options = DecodeOptions(seed=7, temperature=random.choice((0.0, 1.0)))
    events = page_of(tables, prompt_of(*played), rules, options)
    end = events[-1]
    assert isinstance(end, PageEnded)
    checker = PageChecker(CheckedCatalog(catalog), request, popular, SMALL_LIMITS)
    assert checker.broken(placed_rows(events), end.finish_reason) == []
    assert np.isfinite(
        [e.log_probability for e in events if isinstance(e, RowBegun | EntityChosen)]
    ).all()
