"""The life of a page when something is missing, late or too much (faults.md, section 4)."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from factories import START_MS, play
from grpc import StatusCode
from grpc.aio import EOF, AioRpcError
from server.factories_server import (
    LONG_PAGE,
    SLOW,
    House,
    Response,
    Served,
    break_store,
    details_of,
    end_of,
    eventually,
)

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import Graph
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.server.page import choosing, request
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc


def slots_in_use(served: Served) -> float:
    return served.metric("pagecast_slots_in_use")


STEP_S = 0.1


async def slowed(served: Served, monkeypatch: pytest.MonkeyPatch) -> float:
    """Seconds that a page now takes at the least, however quick or busy the machine is."""
    page = await served.page("ada", **LONG_PAGE)
    run = Graph.run_bound

    def run_slowly(self: Graph, binding: Any) -> Any:
        time.sleep(STEP_S)
        return run(self, binding)

    monkeypatch.setattr(Graph, "run_bound", run_slowly)
    return STEP_S * len(page.entity_ids)


async def read_until_error(call: Any) -> tuple[list[Response], AioRpcError]:
    """What arrives before the error."""
    received: list[Response] = []
    with pytest.raises(AioRpcError) as failed:
        while (message := await call.read()) is not EOF:
            received.append(message)
    return received, failed.value


async def test_a_cancel_frees_the_slot_within_a_decode_step(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve(slots_max=1) as served:
        page_s = await slowed(served, monkeypatch)
        call = served.stream("ada", **LONG_PAGE, granularity=2)
        await call.read()
        assert slots_in_use(served) == 1
        call.cancel()
        assert await eventually(lambda: slots_in_use(served) == 0) < page_s / 3
        assert (await served.page("ada", rows=1)).rows


async def test_a_cancel_while_waiting_leaves_the_queue(house: House) -> None:
    house.train_champion(SLOW)
    async with house.serve(slots_max=1, waiting_max=1) as served:
        first = served.stream("ada", **LONG_PAGE)
        await first.read()
        waiting = served.stream("bob", **LONG_PAGE)
        await eventually(lambda: served.metric("pagecast_slots_waiting") == 1)
        waiting.cancel()
        await eventually(lambda: served.metric("pagecast_slots_waiting") == 0)
        first.cancel()


async def test_a_deadline_keeps_what_was_sent_and_ends_the_decoding(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve(slots_max=1) as served:
        page_s = await slowed(served, monkeypatch)
        call = served.stream("ada", timeout_s=page_s / 2, **LONG_PAGE, granularity=2)
        received, error = await read_until_error(call)
        assert error.code() is StatusCode.DEADLINE_EXCEEDED
        assert await eventually(lambda: slots_in_use(served) == 0) < page_s / 3
    assert len(received) > 1
    assert received[0].HasField("page_started")
    assert not received[-1].HasField("page_completed")


async def test_a_deadline_that_is_over_at_once_costs_no_slot(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await served.page("ada", timeout_s=0.001, **LONG_PAGE)
        assert failed.value.code() is StatusCode.DEADLINE_EXCEEDED
        await eventually(lambda: slots_in_use(served) == 0)


async def test_overload_is_refused_at_once_and_says_when_to_come_back(house: House) -> None:
    house.train_champion(SLOW)
    async with house.serve(slots_max=1, waiting_max=2) as served:
        accepted = [asyncio.create_task(served.page("ada", **LONG_PAGE)) for _ in range(3)]
        await eventually(lambda: served.metric("pagecast_slots_waiting") == 2)
        for _ in range(10):
            with pytest.raises(AioRpcError) as failed:
                await served.page("bob", **LONG_PAGE)
        assert not accepted[-1].done()  # at once: nobody's page was waited for
        pages = await asyncio.gather(*accepted)
        assert served.metric("pagecast_rejected_total", reason="SLOTS_EXHAUSTED") == 10
    assert failed.value.code() is StatusCode.RESOURCE_EXHAUSTED
    details = details_of(failed.value)
    assert details["ErrorInfo"].reason == "SLOTS_EXHAUSTED"
    assert details["RetryInfo"].retry_delay.ToMilliseconds() > 0
    assert pages[0].shape == pages[1].shape == pages[2].shape


async def test_a_full_server_looks_at_no_request(house: House) -> None:
    """Whatever is wrong with it: a refusal must cost next to nothing."""
    async with house.serve(slots_max=1, waiting_max=0) as served:
        held = served.server.resources.slots.take("whose page takes long")
        method = homepage_pb2_grpc.HomepageServiceStub(served.channel).StreamHomepage
        nobody = homepage_pb2.StreamHomepageRequest()
        assert await end_of(method(nobody)) is StatusCode.RESOURCE_EXHAUSTED
        held.leave()
        assert await end_of(method(nobody)) is StatusCode.INVALID_ARGUMENT
        assert (await served.page("ada")).rows
        assert (served.server.resources.slots.in_use, served.server.resources.slots.waiting) == (
            0,
            0,
        )


async def test_a_burst_gets_pages_or_refusals_and_nothing_else(house: House) -> None:
    house.train_champion()
    async with house.serve(slots_max=1, waiting_max=2) as served:
        calls = [served.stream("ada", **LONG_PAGE) for _ in range(200)]
        ends = set(await asyncio.gather(*map(end_of, calls)))
    assert ends == {StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED}


async def test_a_reader_that_stands_still_holds_no_slot(house: House) -> None:
    house.train_champion(SLOW)
    async with house.serve(slots_max=1, waiting_max=0) as served:
        idle = served.stream("ada", **LONG_PAGE, granularity=2)
        await idle.read()
        await eventually(lambda: slots_in_use(served) == 0)
        assert (await served.page("bob", rows=1)).rows
        idle.cancel()


async def test_what_waits_for_a_reader_is_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve() as served:
        with monkeypatch.context() as patch:
            patch.setattr(choosing, "EVENTS_MAX", 1)
            call = served.stream("ada", **LONG_PAGE, granularity=2)
            received, error = await read_until_error(call)
        assert (await served.page("ada", rows=1)).rows
    assert error.code() is StatusCode.RESOURCE_EXHAUSTED
    assert details_of(error)["ErrorInfo"].reason == "READER_TOO_SLOW"
    assert [message.sequence for message in received] == list(range(len(received)))


async def test_a_page_without_deadline_has_the_server_s(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "PAGE_TIME_MAX_S", 0.05)
    house.train_champion(SLOW)
    async with house.serve() as served:
        call = served.stream("ada", timeout_s=None, **LONG_PAGE)
        _, error = await read_until_error(call)
        await eventually(lambda: slots_in_use(served) == 0)
    assert error.code() is StatusCode.DEADLINE_EXCEEDED
    assert details_of(error)["ErrorInfo"].reason == "PAGE_TIME_EXCEEDED"


async def test_a_page_waits_for_the_threads_that_prepare_pages_no_longer_than_its_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "PAGE_TIME_MAX_S", 0.2)
    free = threading.Event()
    async with house.serve() as served:
        held = [served.server.resources.preparing.submit(free.wait) for _ in range(8)]
        try:
            async with asyncio.timeout(10):
                received, error = await read_until_error(served.stream("ada", timeout_s=None))
            await eventually(lambda: slots_in_use(served) == 0)
        finally:
            free.set()
        assert all(future.result() for future in held)
    assert received == []
    assert details_of(error)["ErrorInfo"].reason == "PAGE_TIME_EXCEEDED"


async def test_without_a_model_the_page_goes_by_popularity(house: House) -> None:
    house.count(m30=9.0, m31=5.0, m32=7.0)
    async with house.serve() as served:
        page = await served.page("ada", rows=7, entities_per_row=3)
        assert served.metric("pagecast_degraded_pages_total", reason="MODEL_NOT_LOADED") == 1
    assert page.started.degraded_reason == "MODEL_NOT_LOADED"
    assert page.started.model_version == ""
    assert page.shape["top"] == ["m30", "m32", "m31"]


async def test_a_page_by_popularity_obeys_the_same_rules(house: House) -> None:
    house.remember("ada", play("ada", "m30", START_MS - 1000))
    house.count(m30=9.0, m31=5.0)
    async with house.serve() as served:
        page = await served.page("ada", **LONG_PAGE)
    assert "m30" not in page.entity_ids
    assert page.shape["top"][0] == "m31"


async def test_a_store_that_is_broken_makes_the_page_a_stranger_s(house: House) -> None:
    version = house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 1000))
    async with house.serve() as served:
        stranger = await served.page("nobody", **LONG_PAGE)
        break_store(house)
        page = await served.page("ada", **LONG_PAGE)
        reason = "FEATURE_STORE_UNAVAILABLE"
        assert served.metric("pagecast_degraded_pages_total", reason=reason) == 1
    assert page.started.degraded_reason == reason
    assert page.started.model_version == version
    assert not page.started.HasField("history_version")
    assert page.shape == stranger.shape


async def test_a_store_that_hangs_costs_the_history_but_not_the_deadline(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = house.train_champion()
    answers = threading.Event()

    def hang(self: OnlineFeatures, user_id: str) -> None:
        answers.wait(20)

    async with house.serve() as served:
        monkeypatch.setattr(OnlineFeatures, "read_user", hang)
        pages = [await served.page("ada", timeout_s=1.5) for _ in range(4)]
        answers.set()
    assert {page.started.degraded_reason for page in pages} == {"FEATURE_STORE_UNAVAILABLE"}
    assert {page.started.model_version for page in pages} == {version}


async def test_all_that_is_missing_is_said(house: House) -> None:
    async with house.serve() as served:
        break_store(house)
        page = await served.page("ada")
    assert page.started.degraded_reason == "FEATURE_STORE_UNAVAILABLE,MODEL_NOT_LOADED"


async def test_a_model_that_fails_before_the_first_row_is_replaced_by_popularity(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve() as served:
        monkeypatch.setattr(Graph, "run_bound", failing_after(3, Graph.run_bound))
        page = await served.page("ada", rows=3, entities_per_row=10)
    assert page.started.degraded_reason == "MODEL_FAILED"
    assert page.started.model_version == ""
    assert [m.sequence for m in page.messages] == list(range(5))
    assert len(page.entity_ids) == 30


async def test_a_model_that_fails_on_the_way_ends_the_stream(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = house.train_champion()
    async with house.serve() as served:
        monkeypatch.setattr(Graph, "run_bound", failing_after(9, Graph.run_bound))
        received, error = await read_until_error(served.stream("ada", rows=4))
    assert error.code() is StatusCode.UNAVAILABLE
    assert details_of(error)["ErrorInfo"].reason == "MODEL_FAILED"
    assert received[0].page_started.model_version == version
    assert received[0].page_started.degraded_reason == ""
    assert received[-1].HasField("row_completed")


async def test_mutated_requests_never_fail_the_server(house: House) -> None:
    house.train_champion()
    method = "/pagecast.v1.HomepageService/StreamHomepage"
    lawful = bytes.fromhex("0a0361646112044a024445180228031002")
    async with house.serve() as served:
        for position in range(len(lawful) * 8):
            mutated = bytearray(lawful)
            mutated[position // 8] ^= 1 << position % 8
            call = served.channel.unary_stream(method, None, None)(bytes(mutated), timeout=10)
            try:
                while await call.read() is not EOF:
                    pass
            except AioRpcError as error:
                assert error.code() is StatusCode.INVALID_ARGUMENT
        assert served.metric("pagecast_rejected_total", reason="INTERNAL") == 0
        assert (await served.page("ada")).rows


def failing_after(runs: int, run: Callable[..., Any]) -> Callable[..., Any]:
    """`Graph.run_bound`, until it has run so often."""
    left = iter(range(runs))

    def fail_in_the_end(self: Graph, binding: Any) -> Any:
        if next(left, None) is None:
            raise EngineError(f"{self.name}: out of memory")
        return run(self, binding)

    return fail_in_the_end
