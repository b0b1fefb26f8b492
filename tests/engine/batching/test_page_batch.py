"""Pages together are the pages alone, whoever joins, leaves, fails or waits beside them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from engine.factories_batch import Received, batch_of, finish, job_of, rules_of
from engine.factories_engine import (
    TinyModel,
    placed_rows,
    prompt_of,
    vocabulary_of,
    write_bundle,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rules.factories_rules import SEEDS, SMALL_LIMITS, random_request, random_snapshot

from pagecast.engine.batching.page_batch import LATER_ROWS_EVERY, PageBatch
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.slot_decoder import CHUNK_MAX
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import compile_rules


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


def prompt_of_length(steps: int, first: int = 0):  # type: ignore[no-untyped-def]
    return prompt_of(*(f"e{(first + 7 * i) % 60}" for i in range(steps)))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_pages_together_are_the_pages_alone(model: Model, data: st.DataObject) -> None:
    """Joining at any turn, with prompts of any length and any k, while others are cancelled."""
    rules = rules_of(model)
    batch = batch_of(model, slots=3)
    wanted = []
    for number in range(data.draw(st.integers(2, 6))):
        while batch.full:
            batch.turn()
        prompt = prompt_of_length(data.draw(st.integers(0, 150)), number)
        exact_entities = data.draw(st.sampled_from((0, 2, 40)))
        received = Received()
        batch.join(job_of(model, received, prompt, rules=rules, exact_entities=exact_entities))
        for _ in range(data.draw(st.integers(0, 5))):
            batch.turn()
        received.wanted = data.draw(st.integers(0, 3)) > 0
        if received.wanted:
            wanted.append((prompt, exact_entities, received))
    finish(batch)
    for prompt, exact_entities, received in wanted:
        assert received.complete
        options = DecodeOptions(exact_entities=exact_entities)
        alone = list(decode_page(model, prompt, rules, options))
        same = placed_rows(received.events) == placed_rows(alone)
        assert same or near_ties(received.events)


@settings(max_examples=25, deadline=None)
@given(random=SEEDS)
def test_pages_under_different_rules_do_not_touch_each_other(
    bundle: Bundle, random: Random
) -> None:
    """A mask is the page's own, whoever steps beside it."""
    model = Model(bundle, random_snapshot(random))
    catalog, batch = CompiledCatalog(model.snapshot), batch_of(model)
    pages = [
        (compile_rules(catalog, random_request(random), (), SMALL_LIMITS), Received())
        for _ in range(4)
    ]
    for rules, received in pages:
        batch.join(job_of(model, received, rules=rules))
    finish(batch)
    for rules, received in pages:
        alone = list(decode_page(model, prompt_of("e1", "e2"), rules))
        same = placed_rows(received.events) == placed_rows(alone)
        assert same or near_ties(received.events)


def near_ties(events) -> int:  # type: ignore[no-untyped-def]
    assert isinstance(events[-1], PageEnded)
    return events[-1].near_ties


def test_a_long_prompt_does_not_stall_the_pages_being_decoded(model: Model) -> None:
    batch = batch_of(model)
    short, long = Received(whole_rows=False), Received()
    batch.join(job_of(model, short, exact_entities=40))
    batch.turn()
    batch.join(job_of(model, long, prompt_of_length(5 * CHUNK_MAX)))
    for _ in range(5):
        before = len(short.events)
        batch.turn()
        assert len(short.events) > before
    assert not long.events
    batch.turn()
    batch.turn()
    finish(batch)
    assert long.complete


def test_prompts_of_which_one_position_is_left_are_fed_by_one_run(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all are whose history has not changed."""
    prefixes, prompt = PrefixCache(), prompt_of_length(20)
    batch = batch_of(model, prefixes=prefixes)
    batch.join(job_of(model, Received(), prompt, prefixes=prefixes))
    finish(batch)
    for _ in range(4):
        batch.join(job_of(model, Received(), prompt, prefixes=prefixes))
    runs = runs_of(batch, monkeypatch)
    batch.turn()
    assert runs[0] == 4


def runs_of(batch: PageBatch, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled in as the batch runs its decoder: pages of a step, 0 for a chunk."""
    runs: list[int] = []
    step, chunk = batch._decoder.step, batch._decoder.chunk
    monkeypatch.setattr(batch._decoder, "step", lambda *a: runs.append(len(a[1])) or step(*a))
    monkeypatch.setattr(batch._decoder, "chunk", lambda *a: runs.append(0) or chunk(*a))
    return runs


@pytest.mark.parametrize("exact_entities", [1, 3, 40])
def test_a_page_steps_once_a_turn_also_behind_its_chunk(
    model: Model, monkeypatch: pytest.MonkeyPatch, exact_entities: int
) -> None:
    batch, received = batch_of(model), Received()
    runs = runs_of(batch, monkeypatch)
    batch.join(job_of(model, received, exact_entities=exact_entities))
    turns = finish(batch)
    assert received.complete
    assert turns == sum(pages == 1 for pages in runs)


def test_pages_in_different_places_of_their_rows_share_every_step(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, slots = batch_of(model), 4
    pages = [Received() for _ in range(slots)]
    for received in pages:
        batch.join(job_of(model, received, exact_entities=2))
        batch.turn()
    while not all(received.events for received in pages):
        batch.turn()
    runs = runs_of(batch, monkeypatch)
    turns = 0
    while not any(received.ended for received in pages):
        batch.turn()
        turns += 1
    assert runs.count(0) > 1
    assert [of for of in runs if of][:-1] == [slots] * (turns - 1)


def test_first_rows_come_before_later_ones(model: Model) -> None:
    batch = batch_of(model)
    later, newcomer = Received(whole_rows=False), Received()
    batch.join(job_of(model, later, exact_entities=40))
    while not any(isinstance(event, RowEnded) for event in later.events):
        batch.turn()
    had = len(later.events)
    batch.join(job_of(model, newcomer, exact_entities=40))
    turns = 0
    while not newcomer.events:
        batch.turn()
        turns += 1
    steps = sum(isinstance(event, EntityChosen) for event in later.events[had:])
    assert 0 < steps <= 1 + turns // LATER_ROWS_EVERY
    finish(batch)
    assert later.complete


def test_a_first_row_that_is_in_no_hurry_keeps_no_later_row_waiting(model: Model) -> None:
    batch = batch_of(model)
    later, newcomer = Received(whole_rows=False), Received(in_a_hurry=False)
    batch.join(job_of(model, later, exact_entities=40))
    while not any(isinstance(event, RowEnded) for event in later.events):
        batch.turn()
    batch.join(job_of(model, newcomer, exact_entities=40))
    while not newcomer.events:
        had = len(later.events)
        batch.turn()
        assert len(later.events) > had
    finish(batch)
    assert later.complete
    assert newcomer.complete


def test_a_page_that_cannot_be_handed_over_behind_its_chunk_takes_no_step_more(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    received = Received(whole_rows=False)
    job = job_of(model, received, exact_entities=1)
    batch = batch_of(model)
    runs = runs_of(batch, monkeypatch)

    def refuse(events: Sequence[PageEvent]) -> None:
        if any(isinstance(event, RowBegun) and event.row_position == 1 for event in events):
            raise BufferError("nobody reads")

    batch.join(dataclasses.replace(job, sink=dataclasses.replace(job.sink, put=refuse)))
    finish(batch)
    assert isinstance(received.outcome, BufferError)
    assert runs[-1] == 0


def test_no_page_starves_however_many_come_after_it(model: Model) -> None:
    """Somebody always waits for a first row, and a new prompt takes a page's place at once."""
    slots, chunks = 4, 3
    rules, prompt = rules_of(model), prompt_of_length(chunks * CHUNK_MAX - 2)
    batch = batch_of(model, slots)
    joined: list[tuple[int, Received]] = []
    took: list[tuple[int, int]] = []
    for turn in range(400):
        while not batch.full:
            received = Received()
            exact_entities = (0, 3, 40)[turn % 3]
            job = job_of(model, received, prompt, rules=rules, exact_entities=exact_entities)
            batch.join(job)
            joined.append((turn, received))
        batch.turn()
        for since, received in [each for each in joined if each[1].ended]:
            joined.remove((since, received))
            took.append((turn - since + 1, received.events[-1].runs))
    assert len(took) > 20
    for turns, runs in took:
        assert turns <= slots * chunks + LATER_ROWS_EVERY * runs


def test_whole_rows_come_in_one_portion_and_entities_one_by_one(model: Model) -> None:
    rows, entities = Received(), Received(whole_rows=False)
    batch = batch_of(model)
    rules = rules_of(model)
    for received in (rows, entities):
        batch.join(job_of(model, received, rules=rules, exact_entities=40))
    finish(batch)
    assert [type(portion[-1]) for portion in rows.portions] == [RowEnded] * 4 + [PageEnded]
    assert max(len(portion) for portion in entities.portions) <= 3
    assert placed_rows(rows.events) == placed_rows(entities.events)


def test_a_cancelled_page_leaves_before_the_next_step_and_its_slot_is_free(model: Model) -> None:
    batch = batch_of(model, slots=1)
    received = Received(whole_rows=False)
    batch.join(job_of(model, received))
    for _ in range(3):
        batch.turn()
    had, received.wanted = len(received.events), False
    batch.turn()
    assert received.outcome is None
    assert len(received.events) == had
    assert not batch.full


def test_a_page_whose_sink_refuses_ends_with_what_it_raised(model: Model) -> None:
    refused, other = Received(), Received()
    full = BufferError("nobody reads")

    def refuse(_events: object) -> None:
        raise full

    job = job_of(model, refused)
    batch = batch_of(model)
    batch.join(dataclasses.replace(job, sink=dataclasses.replace(job.sink, put=refuse)))
    batch.join(job_of(model, other))
    finish(batch)
    assert refused.outcome is full
    assert other.complete


def test_a_page_whose_logits_are_no_numbers_fails_alone(
    model: Model, bundle: Bundle, catalog: CatalogSnapshot
) -> None:
    broken_model = Model(bundle, catalog)
    broken_model.entities.output_ND[:] = np.nan
    broken, other = Received(), Received()
    batch = batch_of(model)
    batch.join(job_of(broken_model, broken))
    batch.join(job_of(model, other))
    finish(batch)
    assert isinstance(broken.outcome, EngineError)
    assert other.complete


def test_a_page_without_room_in_its_slot_fails_alone(
    catalog: CatalogSnapshot, tmp_path: Path
) -> None:
    path = write_bundle(tmp_path, vocabulary_of(catalog), TinyModel(positions_max=40))
    small = Model(load_bundle(path), catalog)
    long, short = Received(), Received()
    batch = batch_of(small)
    for received, steps in ((long, 30), (short, 1)):
        prompt = prompt_of_length(steps)
        batch.join(job_of(small, received, prompt, exact_entities=9))
    finish(batch)
    assert isinstance(long.outcome, EngineError)
    assert long.events
    assert short.complete


def test_a_run_that_fails_ends_the_pages_in_it_and_the_batch_goes_on(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(model)
    failed, after = Received(), Received()
    batch.join(job_of(model, failed))
    batch.turn()

    def fail(*_: object) -> None:
        raise EngineError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(batch._decoder, "step", fail)
        patch.setattr(batch._decoder, "chunk", fail)
        finish(batch)
    assert isinstance(failed.outcome, EngineError)
    batch.join(job_of(model, after))
    finish(batch)
    assert after.complete
