"""Step 9: the record of a page says what training needs to rebuild its prompt."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from factories import START_MS, play, timestamp
from server.factories_server import LONG_PAGE, SLOW, House, Page, eventually

from pagecast.eventlog.topics import PAGES
from pagecast.featurestore.context import ContextConfig
from pagecast.featurestore.prompt import RequestHalf, build_prompt
from pagecast.v1 import events_pb2

CONTEXT = events_pb2.RequestContext(
    session_id="s9", device="tv", country="DE", language="de", surface="home"
)


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as servers:
        yield servers


async def records(bootstrap: str, count: int) -> list[events_pb2.PageServed]:
    read = await asyncio.to_thread(read_all, bootstrap, PAGES, count)
    return [events_pb2.PageServed.FromString(record.value) for record in read]


async def test_the_record_says_what_was_delivered_and_from_what(
    house: House, bootstrap: str
) -> None:
    version = house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve(bootstrap_servers=bootstrap) as served:
        page = await served.page("ada", rows=3, entities_per_row=4, seed=7, context=CONTEXT)
    [record] = await records(bootstrap, 1)
    assert record.page_id == page.started.page_id
    assert (record.user_id, record.context, record.seed) == ("ada", CONTEXT, 7)
    assert record.requested_at == timestamp(START_MS)
    assert (record.model_version, record.arm) == (version, page.started.arm)
    assert record.history_version == page.started.history_version
    assert record.catalog_number == page.started.catalog_number
    assert record.exact_entities == 3
    assert {row.row_id: list(row.entity_ids) for row in record.rows} == page.shape
    for row in record.rows:
        assert row.log_probability <= 0
        assert len(row.entity_log_probabilities) == len(row.entity_ids)
    rebuilt = build_prompt(
        house.store.read_history("ada"),
        house.store.read_profile("ada"),
        RequestHalf(at_ms=START_MS, device="tv", country="DE", language="de", surface="home"),
        catalog=house.catalog.snapshot(),
        context=ContextConfig(),
    )
    assert rebuilt.injected.new == ("m0", "m1", "m2", "m3")
    assert record.prompt_context == events_pb2.PromptContext(new_max=4, new_days=14, live_max=4)
    assert record.prompt_sha256 == rebuilt.sha256()
    assert len(record.rules_sha256) == 64


async def test_a_page_that_was_cut_is_reported_as_far_as_it_was_delivered(
    house: House, bootstrap: str
) -> None:
    house.train_champion(SLOW)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        call = served.stream("ada", rows=7, entities_per_row=8, exact_entities=8)
        received = [await call.read() for _ in range(3)]
        call.cancel()
        await eventually(
            lambda: served.metric("pagecast_pages_reported_total", outcome="sent") == 1
        )
    [record] = await records(bootstrap, 1)
    delivered = Page(received).shape
    reported = {row.row_id: list(row.entity_ids) for row in record.rows}
    assert len(delivered) == 2
    assert reported.items() >= delivered.items()
    assert len(reported) < 6


async def test_a_degraded_page_is_reported_with_its_reason(house: House, bootstrap: str) -> None:
    async with house.serve(bootstrap_servers=bootstrap) as served:
        page = await served.page("ada", rows=2)
    [record] = await records(bootstrap, 1)
    assert record.degraded_reason == page.started.degraded_reason == "MODEL_NOT_LOADED"
    assert record.model_version == ""


async def test_refused_pages_are_not_reported(house: House, bootstrap: str) -> None:
    house.train_champion(SLOW)
    async with house.serve(bootstrap_servers=bootstrap, slots_max=1, waiting_max=0) as served:
        first = served.stream("ada", **LONG_PAGE)
        await first.read()
        refused = served.stream("bob", **LONG_PAGE)
        assert (await refused.code()).name == "RESOURCE_EXHAUSTED"
        while (await first.read()) and not first.done():
            pass
    assert [record.user_id for record in await records(bootstrap, 1)] == ["ada"]
