"""Step 8 through real channels: a page goes on, on whichever replica, and repeats nothing."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from engine.factories_engine import TinyModel
from factories import START_MS, genre_row, movie, play, timestamp, upsert
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Page, Served, details_of, eventually

from pagecast.server.carrying_on import carried_servings
from pagecast.server.carrying_on.continuation import Continuations, IdsDigest
from pagecast.v1 import catalog_pb2, continuation_pb2, homepage_pb2

KEY = "a key that all replicas are given"
OTHER = TinyModel(seed=1)
SIX_ROWS = {"rows": 6, "entities_per_row": 6}


@asynccontextmanager
async def replicas(house: House, **changes: object) -> AsyncIterator[tuple[Served, Served]]:
    settings: dict[str, object] = {"continuation_key": KEY, **changes}
    async with house.serve(**settings) as one, house.serve(**settings) as another:
        yield one, another


def layout(*pages: Page) -> list[tuple[int, str, list[str]]]:
    return [
        (row.row.row_position, row.row.row_id, [entity.entity_id for entity in row.entities])
        for page in pages
        for row in page.rows
    ]


def last(page: Page) -> str:
    return page.rows[-1].continuation


async def refused(served: Served, user_id: str, **fields: object) -> tuple[StatusCode, str]:
    with pytest.raises(AioRpcError) as failed:
        await served.page(user_id, **fields)
    reason = details_of(failed.value)["ErrorInfo"].reason  # type: ignore[attr-defined]
    return failed.value.code(), reason


async def test_a_page_in_parts_on_two_replicas_is_the_page_in_one(house: House) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with replicas(house) as (one, another):
        whole = await one.page("ada", **SIX_ROWS)
        first = await one.page("ada", rows=2, entities_per_row=6)
        second = await another.page("ada", rows=3, continuation=last(first))
        third = await one.page("ada", rows=1, continuation=last(second))
    assert layout(first, second, third) == layout(whole)
    parts = (first, second, third)
    assert {part.started.page_id for part in parts} == {first.started.page_id}
    assert [part.started.rows_before for part in parts] == [0, 2, 5]
    assert [message.sequence for message in second.messages] == list(range(5))


async def test_rows_keep_what_their_positions_were_given_wherever_the_page_is_cut(
    house: House,
) -> None:
    house.train_champion()
    told: dict[str, object] = {"exact_entities": 1, "exact_entities_by_row": [6, 1, 6, 2]}
    async with replicas(house) as (one, another):
        whole = await one.page("ada", **SIX_ROWS, **told)
        alike = await one.page("ada", **SIX_ROWS, exact_entities=1)
        exact = await one.page("ada", **SIX_ROWS, exact_entities=6)
        first = await one.page("ada", rows=2, entities_per_row=6, **told)
        rest = await another.page("ada", rows=4, continuation=last(first))
    assert layout(first, rest) == layout(whole)
    assert layout(whole)[0] == layout(exact)[0] != layout(alike)[0]
    assert layout(whole) != layout(exact)


async def test_a_stream_that_broke_is_resumed_with_the_rows_it_would_have_had(house: House) -> None:
    house.train_champion()
    async with replicas(house) as (one, another):
        whole = await one.page("ada", **SIX_ROWS)
        call = one.stream("ada", **SIX_ROWS)
        broken = Page([await call.read() for _ in range(3)])
        call.cancel()
        resumed = await another.page("ada", continuation=last(broken))
        # As of its own moment, though the clock has gone on.
        later = timestamp(START_MS + 4 * 60_000)
        again = await another.page("ada", continuation=last(broken), requested_at=later)
    assert len(broken.rows) == 2
    assert layout(broken, resumed) == layout(whole)
    assert layout(again) == layout(resumed)
    assert again.started.requested_at == whole.started.requested_at
    assert resumed.completed.finish_reason == whole.completed.finish_reason


async def test_after_a_longer_pause_the_clock_counts(house: House) -> None:
    match = movie("match", "Opera")
    match.availability.add(until=timestamp(START_MS + 3_600_000))
    opera = genre_row("Opera")
    opera.pin = 1
    house.change(upsert(match), upsert(opera))
    house.train_champion()
    later = timestamp(START_MS + 3_600_000)
    async with house.serve() as served:
        first = await served.page("ada", rows=1, entities_per_row=1)
        fields = {"rows": 1, "continuation": last(first)}
        soon = await served.page("ada", **fields)
        after = await served.page("ada", requested_at=later, **fields)
    assert soon.shape == {"genre-opera": ["match"]}
    assert "genre-opera" not in after.shape
    assert after.started.requested_at == later


async def test_new_events_are_in_the_prompt_and_nothing_repeats(house: House) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with replicas(house) as (one, another):
        first = await one.page("ada", rows=2, entities_per_row=6)
        seen = sorted(first.entity_ids)[0]
        # The newest action is about what stands on the page.
        house.remember("ada", play("ada", seen, START_MS + 10_000))
        fields = {"continuation": last(first), "requested_at": timestamp(START_MS + 20_000)}
        second = await one.page("ada", rows=4, **fields)
        same = await another.page("ada", rows=4, **fields)
    assert second.started.history_version.next_offset == 2
    assert second.started.newest_step_age.ToMilliseconds() == 10_000
    assert not first.entity_ids & second.entity_ids
    assert not first.shape.keys() & second.shape.keys()
    assert layout(second) == layout(same)


async def test_a_page_keeps_its_model_when_the_champion_is_another(house: House) -> None:
    version = house.train_champion()
    async with replicas(house) as (one, _):
        whole = await one.page("ada", **SIX_ROWS)
        first = await one.page("ada", rows=2, entities_per_row=6)
        other = house.train_champion(OTHER)
        await eventually(lambda: one.metric("pagecast_model_info", version=other) == 1)
        second = await one.page("ada", rows=4, continuation=last(first))
        fresh = await one.page("ada", **SIX_ROWS)
    # A replica that never had the former champion loads it.
    async with house.serve(continuation_key=KEY) as started_later:
        loaded = await started_later.page("ada", rows=4, continuation=last(first))
    assert second.started.model_version == loaded.started.model_version == version
    assert fresh.started.model_version == other
    assert layout(first, second) == layout(first, loaded) == layout(whole)
    assert layout(fresh) != layout(whole)


async def test_so_many_pages_wait_for_models_to_be_loaded_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carried_servings, "LOADS_WAITING_MAX", 1)
    version = house.train_champion()
    async with house.serve(continuation_key=KEY) as served:
        token = last(await served.page("ada", rows=2))
    house.train_champion(OTHER)
    async with house.serve(continuation_key=KEY) as served:
        carried, reads = served.server.resources.carried, threading.Event()
        carried._reader.submit(reads.wait)
        try:
            first = asyncio.create_task(served.page("ada", rows=1, continuation=token))
            await eventually(lambda: carried._waiting == 1)
            with pytest.raises(AioRpcError) as failed:
                await served.page("ada", rows=1, continuation=token)
        finally:
            reads.set()
        waited = await first
        again = await served.page("ada", rows=1, continuation=token)
    assert failed.value.code() is StatusCode.RESOURCE_EXHAUSTED
    details = details_of(failed.value)
    assert details["ErrorInfo"].reason == "FORMER_MODELS_LOADING"  # type: ignore[attr-defined]
    assert "RetryInfo" in details
    assert waited.started.model_version == again.started.model_version == version


async def test_a_model_that_is_gone_is_said_to_be(house: House) -> None:
    version = house.train_champion()
    async with house.serve(continuation_key=KEY) as served:
        first = await served.page("ada", rows=2)
    house.train_champion(OTHER)
    bundle = house.paths.bundles / version
    bundle.rename(house.paths.bundles / "elsewhere")
    async with house.serve(continuation_key=KEY) as served:
        answer = await refused(served, "ada", continuation=last(first))
        assert answer == (StatusCode.FAILED_PRECONDITION, "PAGE_MODEL_RETIRED")
        assert (await served.page("ada", rows=2)).rows


async def test_what_stands_stays_when_the_catalog_changes_and_what_is_retired_does_not_come(
    house: House,
) -> None:
    house.train_champion()
    async with replicas(house) as (one, another):
        whole = await one.page("ada", **SIX_ROWS)
        first = await one.page("ada", rows=2, entities_per_row=6)
        standing = sorted(first.entity_ids)[0]
        coming = whole.rows[2].entities[0].entity_id
        gone = [
            catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id=entity_id)
            for entity_id in (standing, coming)
        ]
        number = house.change(*gone, upsert(movie("new", "Opera")), upsert(genre_row("Opera")))
        await eventually(lambda: one.metric("pagecast_catalog_number") == number)
        second = await one.page("ada", rows=4, continuation=last(first))
        same = await another.page("ada", rows=4, continuation=last(second))
    assert second.started.catalog_number == number
    assert not {standing, coming} & second.entity_ids
    assert not first.entity_ids & second.entity_ids
    assert not second.entity_ids & same.entity_ids


async def test_a_page_of_another_catalog_is_refused(house: House) -> None:
    async with house.serve(continuation_key=KEY) as served:
        first = await served.page("ada", rows=2)
    other = House(house.paths.root / "other")
    films = [upsert(movie(f"other{i}", "Comedy")) for i in range(60)]
    other.change(*films, *(upsert(genre_row(f"Genre{i}")) for i in range(10)))
    async with other.serve(continuation_key=KEY) as served:
        answer = await refused(served, "ada", continuation=last(first))
    other.close()
    assert answer == (StatusCode.FAILED_PRECONDITION, "PAGE_CATALOG_REPLACED")


async def test_bad_tokens_are_refused_with_field_and_reason(house: House) -> None:
    async with replicas(house) as (one, _), house.serve() as stranger:
        token = last(await one.page("ada", rows=2))
        wrong = (
            (one, "bob", token, "CONTINUATION_OF_ANOTHER_USER"),
            (one, "ada", token[:-1], "CONTINUATION_INVALID"),
            (stranger, "ada", token, "CONTINUATION_INVALID"),
            (one, "ada", "x" * 16385, "INVALID_REQUEST"),
        )
        for served, user_id, sent, reason in wrong:
            answer = await refused(served, user_id, continuation=sent)
            assert answer == (StatusCode.INVALID_ARGUMENT, reason)


async def test_a_page_by_popularity_goes_on_by_popularity(house: House) -> None:
    house.count(m7=3, m8=2, m9=1)
    async with replicas(house) as (one, another):
        whole = await one.page("ada", **SIX_ROWS)
        first = await one.page("ada", rows=2, entities_per_row=6)
        second = await another.page("ada", rows=4, continuation=last(first))
    assert layout(first, second) == layout(whole)
    assert second.started.degraded_reason == "MODEL_NOT_LOADED"


async def test_a_page_that_is_full_says_so(house: House) -> None:
    films = [upsert(movie(f"n{i}", f"G{i % 45}")) for i in range(45 * 3)]
    house.change(*films, *(upsert(genre_row(f"G{i}")) for i in range(45)))
    house.train_champion()
    async with house.serve() as served:
        first = await served.page("ada", rows=39, entities_per_row=1)
        second = await served.page("ada", rows=9, continuation=last(first))
        third = await served.page("ada", rows=9, continuation=last(second))
    assert len(second.rows) == 1
    assert second.completed.finish_reason == homepage_pb2.FINISH_REASON_PAGE_FULL
    assert third.rows == []
    assert third.messages[-1].page_completed.finish_reason == homepage_pb2.FINISH_REASON_PAGE_FULL


async def test_a_replica_waits_for_the_catalog_of_the_page(house: House) -> None:
    number = house.catalog.number()
    signed = continuation_pb2.Continuation(
        user_id="ada", page_id="p", catalog_number=number + 1, ids_digest=IdsDigest().digest()
    )
    token = Continuations([KEY]).sign(signed)
    async with house.serve(continuation_key=KEY) as served:
        behind = await refused(served, "ada", continuation=token)
        waiting = asyncio.create_task(served.page("ada", continuation=token))
        await asyncio.sleep(0.1)
        house.change(upsert(movie("new", "Drama")))
        page = await waiting
    assert behind == (StatusCode.UNAVAILABLE, "CATALOG_BEHIND")
    assert (page.started.page_id, page.started.catalog_number) == ("p", number + 1)
