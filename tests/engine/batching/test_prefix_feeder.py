"""A history is fed to another model beforehand, and that model's page begins from there."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest
from engine.factories_batch import Received, batch_of, finish, job_of
from engine.factories_engine import placed_rows, prompt_of

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prefix_feeder import PrefixFeeder, prepare_prefix
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.prompt import Prompt

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
    prefixes.keep(ADA_BEFORE, kept, 0)
    return prefixes


def fed(
    model: Model,
    prompt: Prompt,
    prefixes: PrefixCache,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    job = prepare_prefix(model, ADA, prompt, BEFORE, prefixes)
    return job is not None and PrefixFeeder(prefixes).feed(job, stopped)


def page_of(model: Model, prompt: Prompt, prefixes: PrefixCache) -> str:
    batch, received = batch_of(model, prefixes=prefixes), Received()
    batch.join(job_of(model, received, prompt, user_id=ADA, prefixes=prefixes))
    finish(batch)
    assert received.complete
    return str(placed_rows(received.events))


def test_a_page_feeds_no_position_that_was_fed_and_is_the_same(
    model: Model, prefixes: PrefixCache
) -> None:
    assert fed(model, LONG, prefixes)
    job = job_of(model, Received(), LONG, user_id=ADA, prefixes=prefixes)
    assert job.prefix_positions == job.cacheable == len(LONG.steps) + 1
    assert page_of(model, LONG, prefixes) == page_of(model, LONG, PrefixCache(0))


def test_what_is_kept_is_what_a_page_would_have_kept(model: Model, prefixes: PrefixCache) -> None:
    assert fed(model, LONG, prefixes)
    now, kept = (prefixes._prefixes[key] for key in ((ADA, model.version), ADA_BEFORE))
    assert now.made_from.common(kept.made_from) == kept.made_from.positions
    assert now.caches_YHPK == pytest.approx(kept.caches_YHPK, abs=1e-5)


def test_nothing_is_fed_twice(model: Model, prefixes: PrefixCache) -> None:
    twice = prepare_prefix(model, ADA, LONG, BEFORE, prefixes)
    assert twice is not None
    assert [fed(model, LONG, prefixes) for _ in range(2)] == [True, False]
    assert not PrefixFeeder(prefixes).feed(twice)  # a page was quicker


def test_who_was_forgotten_stays_forgotten(model: Model, prefixes: PrefixCache) -> None:
    prefixes.forget(ADA)
    assert not fed(model, LONG, prefixes)
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

    assert not fed(model, LONG, prefixes, forget_in_time)
    assert len(prefixes) == 0


def test_it_stops_before_a_chunk(model: Model, prefixes: PrefixCache) -> None:
    asked = iter([False, False, True])
    assert not fed(model, LONG, prefixes, lambda: next(asked))
    assert len(prefixes) == 1


def test_a_history_that_is_hardly_one_is_not_worth_it(model: Model, prefixes: PrefixCache) -> None:
    assert not fed(model, prompt_of("e1", "e2"), prefixes)


def test_a_prompt_of_more_steps_than_the_model_was_made_for_is_refused(
    model: Model, prefixes: PrefixCache
) -> None:
    longer = dataclasses.replace(LONG, steps=LONG.steps * 4)
    with pytest.raises(EngineError, match="a prompt of 600 steps"):
        fed(model, longer, prefixes)
