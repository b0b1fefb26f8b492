"""Step 9: the record of a page says what training needs to rebuild its prompt."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from factories import START_MS, play, timestamp
from server.factories_server import LONG_PAGE, SLOW, House, Page, eventually

from pagecast.eventlog.topics import PAGES
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import compile_rules
from pagecast.server.page.facts import facts_of
from pagecast.server.page.request import PageClock, read_request
from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2, rules_pb2

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
    assert record.time_to_first_row == page.completed.time_to_first_row
    assert record.time_to_first_row.ToMicroseconds() > 0
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


async def test_the_record_s_rules_can_be_compiled_again(house: House, bootstrap: str) -> None:
    """After the counts, the catalog and the history have moved on."""
    house.train_champion()
    house.count(m4=3, m9=2, m30=1)
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    snapshot, history = house.catalog.snapshot(), house.store.read_history("ada")
    rules = rules_pb2.RequestRules(
        kind_caps=[rules_pb2.KindCap(kind=catalog_pb2.ENTITY_KIND_MOVIE, row_max=3)],
        entities=rules_pb2.CandidateEntities(entity_ids=[f"m{i}" for i in range(0, 60, 2)]),
    )
    async with house.serve(bootstrap_servers=bootstrap) as served:
        await served.page("ada", rows=3, entities_per_row=4, context=CONTEXT, rules=rules)
    [record] = await records(bootstrap, 1)
    assert record.rules_input.asked == rules
    assert list(record.rules_input.popular_entity_ids) == ["m4", "m30"]
    asked_again = homepage_pb2.StreamHomepageRequest(
        user_id=record.user_id,
        context=record.context,
        rows=record.rules_input.rows,
        entities_per_row=record.rules_input.entities_per_row,
        requested_at=record.requested_at,
        rules=record.rules_input.asked,
    )
    page = read_request(asked_again, house.config(), PageClock.start(None), now_ms=0)
    popular = [snapshot.entity_index[e] for e in record.rules_input.popular_entity_ids]
    facts = facts_of(page, history, Profile(), snapshot)
    recompiled = compile_rules(CompiledCatalog(snapshot), facts, popular)
    assert recompiled.sha256 == record.rules_sha256


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


async def test_a_page_that_was_left_before_its_first_row_is_not_reported(
    house: House, bootstrap: str
) -> None:
    house.train_champion(SLOW)
    granularity = homepage_pb2.GRANULARITY_ENTITIES
    async with house.serve(bootstrap_servers=bootstrap) as served:
        call = served.stream("ada", granularity=granularity, **LONG_PAGE)
        first = await call.read()
        assert first.HasField("page_started")
        call.cancel()
        await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
        await served.page("bob", rows=1)
    # Reports are made in the order in which pages end.
    assert [record.user_id for record in await records(bootstrap, 1)] == ["bob"]


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
