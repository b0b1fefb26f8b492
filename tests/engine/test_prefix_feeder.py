"""A history is fed to another model beforehand, and a page by it begins from there."""

import dataclasses
from collections.abc import Iterator

import pytest
from engine.factories_batch import Received, batch_of, finish, job_of
from engine.factories_engine import placed_rows, prompt_of

from pagecast.engine.bundle import Bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.prefix_cache import PrefixCache
from pagecast.engine.prefix_feeder import PrefixFeeder
from pagecast.featurestore.prompt import Prompt
from pagecast.featurestore.snapshot import CatalogSnapshot

BEFORE = "the version before"
ADA, ADA_BEFORE = "ada", ("ada", BEFORE)
LONG = prompt_of(*(f"e{i % 9}" for i in range(150)))
"""Several chunks."""


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@pytest.fixture
def prefixes(model: Model) -> PrefixCache:
    """Ada's history is kept for the version before: here, by the same weights."""
    prefixes = PrefixCache()
    page_of(model, LONG, prefixes)
    kept = prefixes._prefixes.pop((ADA, model.version))
    prefixes.size_bytes = 0
    prefixes.keep(ADA_BEFORE, kept)
    return prefixes


def page_of(model: Model, prompt: Prompt, prefixes: PrefixCache) -> str:
    batch, received = batch_of(model, prefixes=prefixes), Received()
    batch.join(job_of(model, received, prompt, user_id=ADA, prefixes=prefixes))
    finish(batch)
    assert received.complete
    return str(placed_rows(received.events))


def test_a_page_feeds_no_position_that_was_fed_and_is_the_same(
    model: Model, prefixes: PrefixCache
) -> None:
    assert PrefixFeeder(prefixes).feed(model, ADA, LONG, BEFORE)
    job = job_of(model, Received(), LONG, user_id=ADA, prefixes=prefixes)
    assert job.prefix_positions == job.cacheable == len(LONG.steps) + 1
    assert page_of(model, LONG, prefixes) == page_of(model, LONG, PrefixCache(0))


def test_what_is_kept_is_what_a_page_would_have_kept(model: Model, prefixes: PrefixCache) -> None:
    PrefixFeeder(prefixes).feed(model, ADA, LONG, BEFORE)
    fed, kept = (prefixes._prefixes[key] for key in ((ADA, model.version), ADA_BEFORE))
    assert fed.made_from.common(kept.made_from) == kept.made_from.positions
    assert fed.caches_YHPK == pytest.approx(kept.caches_YHPK, abs=1e-5)


def test_nothing_is_fed_twice(model: Model, prefixes: PrefixCache) -> None:
    feeder = PrefixFeeder(prefixes)
    assert [feeder.feed(model, ADA, LONG, BEFORE) for _ in range(2)] == [True, False]


def test_who_was_forgotten_stays_forgotten(model: Model, prefixes: PrefixCache) -> None:
    """Also if it happens while the history is being fed."""
    prefixes.forget(ADA)
    assert not PrefixFeeder(prefixes).feed(model, ADA, LONG, BEFORE)
    assert len(prefixes) == 0


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_who_is_forgotten_meanwhile_is_not_kept(
    model: Model, prefixes: PrefixCache, chunks: int
) -> None:
    asked: Iterator[int] = iter(range(10))

    def forget_in_time() -> bool:
        if next(asked) == chunks:
            prefixes.forget(ADA)
        return False

    assert not PrefixFeeder(prefixes).feed(model, ADA, LONG, BEFORE, forget_in_time)
    assert len(prefixes) == 0


def test_it_stops_before_a_chunk(model: Model, prefixes: PrefixCache) -> None:
    asked = iter([False, False, True])
    assert not PrefixFeeder(prefixes).feed(model, ADA, LONG, BEFORE, lambda: next(asked))
    assert len(prefixes) == 1


def test_a_history_that_is_hardly_one_is_not_worth_it(model: Model, prefixes: PrefixCache) -> None:
    assert not PrefixFeeder(prefixes).feed(model, ADA, prompt_of("e1", "e2"), BEFORE)


def test_a_prompt_of_more_steps_than_the_model_was_made_for_is_refused(
    model: Model, prefixes: PrefixCache
) -> None:
    longer = dataclasses.replace(LONG, steps=LONG.steps * 4)
    with pytest.raises(EngineError, match="a prompt of 600 steps"):
        PrefixFeeder(prefixes).feed(model, ADA, longer, BEFORE)
