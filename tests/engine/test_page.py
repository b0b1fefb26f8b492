"""A page is decoded greedily under the rules, always the same, and stops when told."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import pytest
from engine.factories_engine import TinyModel, placed_rows, prompt_of
from hypothesis import given, settings
from rules.factories_rules import (
    SEEDS,
    SMALL_LIMITS,
    entity,
    facts,
    random_request,
    random_snapshot,
    snapshot,
)

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.page import begin_page, decode_page
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.engine.walk import Feed
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RulesConfig
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.page_state import PageState, RowEnd
from pagecast.rules.standing_row import StandingRow
from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker
from pagecast.v1 import homepage_pb2

PROMPT = prompt_of("e1", "e2", "e3")


@pytest.fixture
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@pytest.fixture
def rules(catalog: CatalogSnapshot) -> PageRules:
    request = facts(because=("e3",), resume=("e1", "e9"), watched=frozenset({"e1"}), rows=6)
    return compile_rules(CompiledCatalog(catalog), request, range(40))


def decoded(
    model: Model, rules: PageRules, prompt: Prompt = PROMPT, exact_entities: int = 3
) -> list[PageEvent]:
    return list(decode_page(model, prompt, rules, DecodeOptions(exact_entities=exact_entities)))


def ended(events: Sequence[PageEvent]) -> PageEnded:
    assert isinstance(events[-1], PageEnded)
    return events[-1]


def test_events_come_in_the_order_of_the_grammar(model: Model, rules: PageRules) -> None:
    events = decoded(model, rules)
    position = -1
    for event in events[:-1]:
        if isinstance(event, RowBegun):
            position += 1
            entities = 0
        elif isinstance(event, EntityChosen):
            assert event.entity_position == entities
            entities += 1
        elif isinstance(event, RowEnded):
            assert event.entities == entities
            assert event.reason is (RowEnd.FULL if entities == 10 else RowEnd.CANDIDATES_RAN_OUT)
        assert event.row_position == position
    letters = {RowBegun: "b", EntityChosen: "c", RowEnded: "e", PageEnded: "E"}
    assert re.fullmatch("(bc+e)+E", "".join(letters[type(event)] for event in events))
    end = ended(events)
    assert end.rows == position + 1 == len(placed_rows(events))
    all_rows = homepage_pb2.FINISH_REASON_ROWS
    too_few = homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE
    assert end.finish_reason == (all_rows if end.rows == 6 else too_few)
    cut_short = [row for row in placed_rows(events) if len(row.entities) < 10]
    assert end.rows_cut_short == len(cut_short) > 0


def test_the_page_keeps_its_rules(model: Model, rules: PageRules, catalog: CatalogSnapshot) -> None:
    request = facts(because=("e3",), resume=("e1", "e9"), watched=frozenset({"e1"}), rows=6)
    checker = PageChecker(CheckedCatalog(catalog), request, range(40), RulesConfig())
    for exact_entities in (0, 3, 40):
        events = decoded(model, rules, exact_entities=exact_entities)
        assert checker.broken(placed_rows(events), ended(events).finish_reason) == []


def test_the_same_inputs_give_the_same_page(bundle: Bundle, catalog: CatalogSnapshot) -> None:
    def page() -> list[PageEvent]:
        rules = compile_rules(CompiledCatalog(catalog), facts(), range(40))
        return decoded(Model(bundle, catalog), rules)

    assert page() == page()


def test_the_prompt_decides_the_page(model: Model, rules: PageRules) -> None:
    pages = [
        placed_rows(decoded(model, rules, prompt_of(*ids)))
        for ids in ((), ("e1", "e2", "e3"), ("e40", "e50"))
    ]
    assert pages[0] != pages[1] != pages[2]


def test_a_page_is_the_same_whatever_the_buffers_held_before(
    model: Model, rules: PageRules
) -> None:
    fresh = decoded(model, rules)
    decoded(model, rules, prompt_of(*["e9"] * 100))
    assert decoded(model, rules) == fresh


def test_a_launched_entity_can_be_placed_at_once(model: Model, catalog: CatalogSnapshot) -> None:
    launched = [entity(f"new-{kind}", "Comedy", kind=kind, number=2) for kind in (1, 3, 4)]
    newer = snapshot([*catalog.entities, *launched], catalog.rows, 2)
    rules = compile_rules(CompiledCatalog(newer), facts(rows=6, entities_per_row=40), ())
    grown = Model(model.bundle, newer, older=model)
    placed = {e for row in placed_rows(decoded(grown, rules)) for e in row.entities}
    assert {60, 61, 62} <= placed


@pytest.mark.parametrize(
    ("exact_entities", "runs_per_row"),
    [(0, 1), (1, 2), (3, 4), (8, 9), (9, 11), (10, 11), (40, 11)],
)
def test_exact_entities_are_decoded_one_by_one_and_the_rest_from_one_run(
    bundle: Bundle, catalog: CatalogSnapshot, exact_entities: int, runs_per_row: int
) -> None:
    """Pinned rows are foreseen, so a filled tail and the row after it are one run."""
    rows = [dataclasses.replace(catalog.rows[i], pin=i) for i in (0, 1)]
    pinned = snapshot(catalog.entities, rows)
    rules = compile_rules(CompiledCatalog(pinned), facts(rows=2), ())
    events = decoded(Model(bundle, pinned), rules, exact_entities=exact_entities)
    last_entity_unfed = exact_entities >= 9
    assert ended(events).runs == 1 + 2 * runs_per_row - last_entity_unfed


def test_a_row_that_was_not_foreseen_is_taken_back_and_costs_one_run_more(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    """Hidden states are made up, so that rows are foreseen by chance."""
    free = snapshot(catalog.entities, catalog.rows[:3])
    rules = compile_rules(CompiledCatalog(free), facts(rows=3), ())
    pages = [made_up_page(Model(bundle, free), rules, seed) for seed in range(20)]
    assert all(end.rows == 3 and end.runs == 1 + 3 + taken_back for end, taken_back in pages)
    # Of the last row nothing else is left to choose.
    assert {taken_back for _, taken_back in pages} == {0, 1}


def made_up_page(model: Model, rules: PageRules, seed: int) -> tuple[PageEnded, int]:
    """The end of a page whose hidden states are random, and how many tokens it took back."""
    rng = np.random.default_rng(seed)
    options, request_D = DecodeOptions(exact_entities=0), hidden_states(rng, 1)[0]
    walk = begin_page(model, rules, options, request_D=request_D, hidden_D=hidden_states(rng, 1)[0])
    taken_back, item = 0, next(walk)
    while not isinstance(item, PageEnded):
        answer = None
        if isinstance(item, Feed):
            taken_back += item.take_back
            answer = hidden_states(rng, len(item.tokens_SD))
        item = walk.send(answer)
    return item, taken_back


def hidden_states(rng: np.random.Generator, tokens: int) -> FloatArray:
    return rng.normal(size=(tokens, TinyModel().d_model)).astype(np.float32)


def test_each_row_may_have_a_number_of_its_own(bundle: Bundle, catalog: CatalogSnapshot) -> None:
    """Seen in the runs: a row of ten with k exact entities takes k + 1, one without takes one."""
    rows = [dataclasses.replace(catalog.rows[i], pin=i) for i in (0, 1, 2)]
    pinned = snapshot(catalog.entities, rows)
    rules = compile_rules(CompiledCatalog(pinned), facts(rows=3), ())
    model = Model(bundle, pinned)
    options = DecodeOptions(exact_entities=0, exact_entities_by_row=(6, 2))
    events = list(decode_page(model, PROMPT, rules, options))
    assert ended(events).runs == 1 + 7 + 3 + 1
    exact = placed_rows(decoded(model, rules, exact_entities=40))
    assert placed_rows(events)[0].entities[:7] == exact[0].entities[:7]


@pytest.mark.parametrize("exact_entities", [9, 10, 40])
def test_as_many_exact_entities_as_a_row_has_is_exact(
    model: Model, rules: PageRules, exact_entities: int
) -> None:
    page = placed_rows(decoded(model, rules, exact_entities=exact_entities))
    assert page == placed_rows(decoded(model, rules, exact_entities=40))


def test_the_exact_part_of_the_first_row_is_that_of_the_exact_page(
    model: Model, rules: PageRules
) -> None:
    exact = placed_rows(decoded(model, rules, exact_entities=40))[0]
    hybrid = placed_rows(decoded(model, rules))[0]
    assert hybrid.entities[:4] == exact.entities[:4]


def replayed(
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    events: Sequence[PageEvent],
    exact_entities: int,
) -> Iterator[tuple[float, float]]:
    """Each choice's log-probability, and the same computed again: one token at a time, with the
    masks of a state of its own, over all entities, in float64."""
    decoder = model.bundle.decoder(slots=1)
    state = PageState(rules)
    prompt_TD = tokens_of(model, encode(model, prompt))
    hidden_D = decoder.feed(0, prompt_TD)[-1]
    for event in events:
        if isinstance(event, RowBegun):
            logits = model.row_output_RD.astype(np.float64) @ hidden_D
            yield event.log_probability, log_softmax(logits, state.row_mask_R, event.row)
            argument = state.begin_row(event.row)
            token_D = model.row_token(event.row, argument, prompt_TD[-1])
            hidden_D = decoder.feed(0, token_D[None])[0]
        elif isinstance(event, EntityChosen):
            if event.entity_position <= exact_entities:
                logits = model.entities.output_ND.astype(np.float64) @ hidden_D
            yield event.log_probability, log_softmax(logits, state.entity_mask_N, event.entity)
            state.place(event.entity)
            hidden_D = decoder.feed(0, model.entities.input_ND[[event.entity]])[0]
        elif isinstance(event, RowEnded):
            assert state.end_row() is event.reason


def log_softmax(logits, mask, chosen: int) -> float:  # type: ignore[no-untyped-def]
    eligible = logits[mask]
    top = eligible.max()
    return float(logits[chosen] - top - np.log(np.exp(eligible - top).sum()))


@pytest.mark.parametrize("exact_entities", [0, 3, 40])
@pytest.mark.parametrize("watched", ["e1", "e2", "e20", "e40"])
def test_log_probabilities_are_those_under_the_masks(
    model: Model, rules: PageRules, watched: str, exact_entities: int
) -> None:
    prompt = prompt_of(watched)
    events = decoded(model, rules, prompt, exact_entities)
    pairs = list(replayed(model, prompt, rules, events, exact_entities))
    assert len(pairs) == len([e for e in events if isinstance(e, RowBegun | EntityChosen)])
    recorded, computed = zip(*pairs, strict=True)
    np.testing.assert_allclose(recorded, computed, atol=1e-4)
    assert max(recorded) <= 0
    assert min(recorded) < 0


@pytest.mark.parametrize("until", [0, 1, 2, 7, 12, 30])
def test_a_cancelled_page_makes_at_most_the_event_in_hand(
    model: Model, rules: PageRules, until: int
) -> None:
    events: list[PageEvent] = []
    for event in decode_page(model, PROMPT, rules, cancelled=lambda: len(events) > until):
        events.append(event)  # noqa: PERF402 - `cancelled` looks at the list as it grows
    assert len(events) <= until + 2 < len(decoded(model, rules))
    assert not any(isinstance(event, PageEnded) for event in events)


def test_a_page_cancelled_before_it_began_does_nothing(model: Model, rules: PageRules) -> None:
    unread = prompt_of(*["e1"] * 600)
    assert list(decode_page(model, unread, rules, cancelled=lambda: True)) == []
    with pytest.raises(EngineError, match="a prompt of 600 steps"):
        decoded(model, rules, unread)


def test_a_closed_page_is_over(model: Model, rules: PageRules) -> None:
    events = decode_page(model, PROMPT, rules)
    next(events)
    events.close()
    assert list(events) == []


def test_logits_that_are_no_numbers_end_the_page_with_an_error(
    model: Model, rules: PageRules
) -> None:
    model.entities.output_ND[:] = np.nan
    events = decode_page(model, PROMPT, rules)
    assert isinstance(next(events), RowBegun)
    with pytest.raises(EngineError, match="the model's best logit is nan"):
        list(events)


def test_rules_of_another_catalog_are_refused(model: Model, catalog: CatalogSnapshot) -> None:
    newer = snapshot(catalog.entities, catalog.rows, 9)
    rules = compile_rules(CompiledCatalog(newer), facts(), ())
    with pytest.raises(ValueError, match="rules for catalog number 9, model for 1"):
        decode_page(model, PROMPT, rules)


def test_options_outside_their_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="exact_entities must be at least 0"):
        DecodeOptions(exact_entities=-1)
    with pytest.raises(ValueError, match="exact_entities must be at least 0"):
        DecodeOptions(exact_entities_by_row=(3, -1))
    with pytest.raises(ValueError, match="shortlist must be at least 0, is -1"):
        DecodeOptions(shortlist=-1)


@settings(max_examples=40, deadline=None)
@given(random=SEEDS)
def test_the_same_request_gives_the_same_page_whatever_was_asked_before(
    bundle: Bundle, random: Random
) -> None:
    """Sets that are kept by catalog are those that would be worked out anew."""
    catalog = random_snapshot(random)
    request, popular = random_request(random), range(len(catalog.entities))
    model, asked_before = Model(bundle, catalog), CompiledCatalog(catalog)
    for _ in range(5):
        compile_rules(asked_before, random_request(random), (), SMALL_LIMITS)
    pages = [
        decoded(model, compile_rules(compiled, request, popular, SMALL_LIMITS), PROMPT)
        for compiled in (asked_before, CompiledCatalog(catalog))
    ]
    assert pages[0] == pages[1]


def test_a_page_for_which_nothing_is_eligible_is_empty_and_says_so(
    bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    for nothing in (snapshot([]), snapshot(catalog.entities), snapshot([], catalog.rows)):
        rules = compile_rules(CompiledCatalog(nothing), facts(), ())
        (event,) = decode_page(Model(bundle, nothing), PROMPT, rules)
        assert ended([event]).finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE


def shortlisted(
    model: Model, rules: PageRules, shortlist: int, exact_entities: int
) -> list[PageEvent]:
    options = DecodeOptions(exact_entities=exact_entities, shortlist=shortlist)
    return list(decode_page(model, PROMPT, rules, options))


def test_of_a_shortlist_the_likeliest_of_the_row_compete_and_no_others(
    model: Model, rules: PageRules
) -> None:
    """Rows filled from one run take the likeliest of that run, which every shortlist holds."""
    exact = decoded(model, rules, exact_entities=0)
    short = shortlisted(model, rules, shortlist=10, exact_entities=0)
    assert placed_rows(short) == placed_rows(exact)
    chances = [
        [event.log_probability for event in events if isinstance(event, EntityChosen)]
        for events in (short, exact)
    ]
    # Fewer competitors, so each is likelier; the last of ten has none left.
    assert all(a >= b for a, b in zip(*chances, strict=True))
    assert chances[0][9] == 0 > chances[1][9]


def test_a_shortlist_of_everything_is_the_exact_page(model: Model, rules: PageRules) -> None:
    assert shortlisted(model, rules, 60, 40) == decoded(model, rules, exact_entities=40)


def test_later_entities_of_a_row_come_from_its_shortlist(model: Model, rules: PageRules) -> None:
    likeliest = placed_rows(decoded(model, rules, exact_entities=0))[0]
    row = placed_rows(shortlisted(model, rules, 10, 40))[0]
    assert set(row.entities) == set(likeliest.entities)
    exact = placed_rows(decoded(model, rules, exact_entities=40))[0]
    assert set(row.entities) != set(exact.entities)


@settings(max_examples=60, deadline=None)
@given(random=SEEDS)
def test_no_page_of_shortlists_breaks_a_rule(bundle: Bundle, random: Random) -> None:
    catalog, request = random_snapshot(random), random_request(random)
    popular = random.sample(range(len(catalog.entities)), random.randint(0, len(catalog.entities)))
    model = Model(bundle, catalog)
    rules = compile_rules(CompiledCatalog(catalog), request, popular, SMALL_LIMITS)
    events = shortlisted(model, rules, random.randint(1, 8), random.randint(0, 5))
    checker = PageChecker(CheckedCatalog(catalog), request, popular, SMALL_LIMITS)
    assert checker.broken(placed_rows(events), ended(events).finish_reason) == []


@settings(max_examples=120, deadline=None)
@given(random=SEEDS)
def test_no_decoded_page_breaks_a_rule(bundle: Bundle, random: Random) -> None:
    catalog, request = random_snapshot(random), random_request(random)
    entities = range(len(catalog.entities))
    popular = random.sample(entities, random.randint(0, len(entities)))
    model = Model(bundle, catalog)
    # Weights that give large, equal and ordinary logits alike.
    model.entities.output_ND[:] *= random.choice((0.0, 1.0, 1e4))
    model.row_output_RD[:] *= random.choice((0.0, 1.0, 1e4))
    rules = compile_rules(CompiledCatalog(catalog), request, popular, SMALL_LIMITS)
    events = decoded(model, rules, prompt_of("e1", "nobody"), random.randint(0, 5))
    checker = PageChecker(CheckedCatalog(catalog), request, popular, SMALL_LIMITS)
    assert checker.broken(placed_rows(events), ended(events).finish_reason) == []


def standing_of(events: Sequence[PageEvent], rows: int) -> tuple[StandingRow, ...]:
    begun = [event for event in events if isinstance(event, RowBegun)][:rows]
    return tuple(
        StandingRow(
            row=row.row,
            argument=row.argument,
            entities=tuple(
                event.entity
                for event in events
                if isinstance(event, EntityChosen) and event.row_position == row.row_position
            ),
        )
        for row in begun
    )


@pytest.mark.parametrize("exact_entities", [0, 3, 40])
def test_a_page_is_carried_on_behind_what_stands_as_it_would_have_gone_on(
    model: Model, rules: PageRules, exact_entities: int
) -> None:
    whole = decoded(model, rules, exact_entities=exact_entities)
    for rows in range(ended(whole).rows + 1):
        carried = dataclasses.replace(rules, standing=standing_of(whole, rows))
        rest = decoded(model, carried, exact_entities=exact_entities)
        expected = placed_rows(whole)[rows:]
        assert placed_rows(rest) == expected
        begun = [event.row_position for event in rest if isinstance(event, RowBegun)]
        assert begun == list(range(rows, ended(whole).rows))
        assert carried.sha256 != rules.sha256 or rows == 0
