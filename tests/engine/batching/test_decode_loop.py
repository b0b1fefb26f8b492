"""The decode loop's thread: submitting never waits, every page ends once, nothing outlives it."""

import dataclasses
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine.factories_batch import Received, job_of
from engine.factories_engine import TinyModel, placed_rows, prompt_of, vocabulary_of, write_bundle

from pagecast.engine.batching.decode_loop import DecodeLoop
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@pytest.fixture
def loop() -> Iterator[DecodeLoop]:
    loop = DecodeLoop(slots=2, prefixes=PrefixCache())
    yield loop
    loop.close()


def wait_for(*pages: Received) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not all(page.ended for page in pages):
        assert time.monotonic() < until_s, "a page did not end"
        time.sleep(0.001)


def test_more_pages_than_slots_all_end_and_are_the_same(model: Model, loop: DecodeLoop) -> None:
    pages = [Received() for _ in range(7)]
    for page in pages:
        loop.submit(job_of(model, page))
    wait_for(*pages)
    assert all(page.complete for page in pages)
    assert len({str(placed_rows(page.events)) for page in pages}) == 1


def test_everything_happens_in_the_one_thread(model: Model, loop: DecodeLoop) -> None:
    threads = set()
    page = Received(stopped=lambda: threads.add(threading.current_thread().name) is not None)
    loop.submit(job_of(model, page))
    wait_for(page)
    assert threads == {"pagecast-decode"}


def test_a_page_stopped_while_it_waits_for_a_slot_never_begins(
    model: Model, loop: DecodeLoop
) -> None:
    page = Received(stopped=lambda: True)
    loop.submit(job_of(model, page))
    wait_for(page)
    assert page.outcome is None
    assert not page.events


def test_who_waits_for_a_slot_is_overtaken_by_nobody(model: Model) -> None:
    """Not even by a page that arrives while the loop looks for a place for those who wait."""
    loop = DecodeLoop(slots=1, prefixes=PrefixCache())
    all_there, ended = threading.Event(), []

    def submit(name: str, stopped: Callable[[], bool] = lambda: False) -> Received:
        page = Received()
        job = job_of(model, page)

        def end(error: BaseException | None) -> None:
            ended.append(name)
            job.sink.end(error)

        sink = dataclasses.replace(job.sink, end=end, stopped=stopped)
        loop.submit(dataclasses.replace(job, sink=sink))
        return page

    late: list[Received] = []

    def bring_another() -> bool:
        if not late:
            late.append(submit("late"))
        return False

    pages = [submit("in the slot", stopped=lambda: not all_there.wait(PATIENCE_S))]
    pages += [submit("first", stopped=bring_another), submit("second")]
    all_there.set()
    wait_for(*pages)
    wait_for(*late)
    loop.close()
    assert ended == ["in the slot", "first", "second", "late"]


def test_closing_ends_the_pages_in_hand_and_refuses_others(model: Model) -> None:
    loop = DecodeLoop(slots=1, prefixes=PrefixCache())
    pages = [Received() for _ in range(50)]
    for page in pages:
        loop.submit(job_of(model, page))
    loop.close()
    late = Received()
    loop.submit(job_of(model, late))
    assert all(page.ended for page in pages)
    assert isinstance(pages[-1].outcome, EngineError)
    assert isinstance(late.outcome, EngineError)


def test_pages_of_two_models_are_decoded_side_by_side_and_the_old_one_is_freed(
    model: Model, loop: DecodeLoop, catalog: CatalogSnapshot, tmp_path: Path
) -> None:
    path = write_bundle(tmp_path, vocabulary_of(catalog), TinyModel(seed=5))
    other = Model(load_bundle(path), catalog)
    pages = [Received() for _ in range(6)]
    for number, page in enumerate(pages):
        loop.submit(job_of((model, other)[number % 2], page, prompt_of("e3")))
    wait_for(*pages)
    shapes = [str(placed_rows(page.events)) for page in pages]
    assert len(set(shapes[::2])) == len(set(shapes[1::2])) == 1
    assert shapes[0] != shapes[1]
    gone = weakref.ref(other.bundle)
    del other
    gc.collect()
    assert gone() is None


def test_a_model_without_memory_for_its_slots_ends_its_pages_and_no_other(
    model: Model, loop: DecodeLoop, catalog: CatalogSnapshot
) -> None:
    manifest = model.bundle.manifest
    shape = manifest.model.model_copy(update={"positions_max": 1 << 44})
    manifest = manifest.model_copy(update={"model": shape})
    huge = Model(dataclasses.replace(model.bundle, manifest=manifest), catalog)
    refused, after = [Received(), Received()], Received()
    for page in refused:
        loop.submit(job_of(huge, page))
    loop.submit(job_of(model, after))
    wait_for(*refused, after)
    assert all(isinstance(page.outcome, EngineError) for page in refused)
    assert after.complete


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_ends_the_thread_no_page_waits_for_it(model: Model) -> None:
    loop = DecodeLoop(slots=1, prefixes=PrefixCache())
    all_there = threading.Event()

    def fail(_error: BaseException | None) -> None:
        all_there.wait(PATIENCE_S)
        raise RuntimeError("the event loop is closed")

    job = job_of(model, Received(stopped=lambda: True))
    loop.submit(dataclasses.replace(job, sink=dataclasses.replace(job.sink, end=fail)))
    waiting, late = Received(), Received()
    loop.submit(job_of(model, waiting))
    all_there.set()
    wait_for(waiting)
    loop.submit(job_of(model, late))
    assert isinstance(waiting.outcome, EngineError)
    assert isinstance(late.outcome, EngineError)
    loop.close()  # the thread has ended here, and what ended it is told of no other test


def test_a_loop_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="slots must be at least 1"):
        DecodeLoop(slots=0, prefixes=PrefixCache())
