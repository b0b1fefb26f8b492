"""BrowseHomepage when a client or a neighbour misbehaves."""

import asyncio

import pytest
from factories import START_MS, play, timestamp
from google.rpc import error_details_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_browse import Browser, Request, browsing, hide
from server.factories_server import (
    LONG_PAGE,
    SLOW,
    House,
    Served,
    break_store,
    details_of,
    eventually,
)

from pagecast.server import homepage
from pagecast.server.browse import browse
from pagecast.server.browse.browsing import ACTIONS_BYTES_MAX, ACTIONS_MAX
from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

TWO_ROWS = {"rows": 2, "entities_per_row": 4}


def call_of(served: Served) -> Browser:
    stub = homepage_pb2_grpc.HomepageServiceStub(served.channel)
    return Browser(stub.BrowseHomepage(timeout=10))


async def refusal(browser: Browser) -> tuple[StatusCode, str, str]:
    """Code, reason and the field named, of a call that ends with an error."""
    with pytest.raises(AioRpcError) as failed:
        await browser.rest()
    details = details_of(failed.value)
    info, bad = details["ErrorInfo"], details.get("BadRequest")
    assert isinstance(info, error_details_pb2.ErrorInfo)
    field = bad.field_violations[0].field if bad else ""  # type: ignore[attr-defined]
    return failed.value.code(), info.reason, field


def invalid(field: str) -> tuple[StatusCode, str, str]:
    return StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", field


def broken(kind: str) -> events_pb2.InteractionEvent:
    event = play("ada", "m1")
    match kind:
        case "rule":
            event.play.entity_id = ""
        case "future":
            event.occurred_at.FromMilliseconds(4_000_000_000_000)
        case "order":
            event.user_forgotten.SetInParent()
        case "another":
            event.user_id = "bob"
    return event


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("rule", "actions.events[1].play.entity_id"),
        ("future", "actions.events[1].occurred_at"),
        ("order", "actions.events[1].user_forgotten"),
        ("another", "actions.events[1].user_id"),
    ],
)
async def test_an_action_that_is_wrong_is_named_and_none_of_its_message_counts(
    house: House, kind: str, field: str
) -> None:
    async with house.serve() as served, browsing(served, rows_ahead=1) as browser:
        await browser.act(play("ada", "m2"), broken(kind))
        assert await refusal(browser) == invalid(field)
        assert not any(message.HasField("actions_taken") for message in browser.messages)


async def test_what_a_call_begins_with_is_held_to_its_rules(house: House) -> None:
    begin = homepage_pb2.BrowsePage
    page = homepage_pb2.StreamHomepageRequest
    wrong: list[tuple[Request, tuple[StatusCode, str, str]]] = [
        (Request(row_seen=homepage_pb2.RowSeen()), invalid("begin")),
        (Request(begin=begin()), invalid("begin.page")),
        (Request(begin=begin(page=page())), invalid("begin.page.user_id")),
        (Request(begin=begin(page=page(user_id="a"), rows_ahead=41)), invalid("begin.rows_ahead")),
        (
            Request(begin=begin(page=page(user_id="a", requested_at=timestamp(START_MS)))),
            invalid("begin.page.requested_at"),
        ),
        (
            Request(begin=begin(page=page(user_id="a", continuation="x"))),
            (StatusCode.INVALID_ARGUMENT, "CONTINUATION_INVALID", "begin.page.continuation"),
        ),
    ]
    async with house.serve(allow_client_clock=False) as served:
        for request, refused in wrong:
            browser = call_of(served)
            await browser.call.write(request)
            assert await refusal(browser) == refused
        silent = call_of(served)
        await silent.done()
        assert await refusal(silent) == invalid("begin")
        assert served.metric("pagecast_browses_open") == 0


async def test_what_a_client_says_later_is_held_to_its_rules(house: House) -> None:
    async with house.serve() as served:
        async with browsing(served, rows_ahead=1) as browser:
            await browser.row(0)
            await browser.begin("ada")
            assert await refusal(browser) == invalid("begin")
        async with browsing(served, rows_ahead=1) as browser:
            await browser.row(0)
            await browser.see(1)
            assert await refusal(browser) == invalid("row_seen.row_position")
        async with browsing(served, rows_ahead=1) as browser:
            await browser.call.write(Request())
            assert (await refusal(browser))[0] is StatusCode.INVALID_ARGUMENT


async def test_bytes_that_are_no_message_end_the_call(house: House) -> None:
    async with house.serve() as served:
        stub = homepage_pb2_grpc.HomepageServiceStub(served.channel)
        stub.BrowseHomepage._request_serializer = lambda data: data
        browser = Browser(stub.BrowseHomepage(timeout=10))
        await browser.call.write(b"\xff\xff")
        assert (await refusal(browser))[:2] == (StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


@pytest.mark.parametrize("of", ["number", "bytes"])
async def test_a_call_takes_so_many_actions_and_no_more(house: House, of: str) -> None:
    house.train_champion()
    lawful = [play("ada", f"m{i % 60}", START_MS + i) for i in range(ACTIONS_MAX)]
    for event in lawful:
        event.ClearField("context")
    if of == "bytes":
        lawful = lawful[:1]
        lawful[0].impression.rows.add(row_id="top", entity_ids=["m" * 200] * 100)
        lawful *= ACTIONS_BYTES_MAX // lawful[0].ByteSize()
    async with house.serve() as served, browsing(served, rows_ahead=1) as browser:
        await browser.act(*lawful)
        await browser.taken(len(lawful))
        await browser.act(lawful[0])
        refused = await refusal(browser)
    assert refused == (StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ACTIONS", "")


async def test_a_client_that_does_not_read_holds_no_slot_and_its_actions_are_heard(
    house: House,
) -> None:
    house.train_champion()
    first_row = "pagecast_time_to_first_row_seconds_count"
    async with house.serve() as served, browsing(served, rows_ahead=1, **TWO_ROWS) as browser:
        await eventually(lambda: served.metric(first_row) == 1)
        await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
        await browser.act(play("ada", "m3"))
        await browser.row(0)
        await browser.see(0)
        await browser.rest()
    assert len(browser.rows) == 2


async def test_a_cancel_frees_the_slot_and_ends_the_call(house: House) -> None:
    house.train_champion(SLOW)
    async with house.serve() as served:
        async with browsing(served, rows_ahead=40, **LONG_PAGE) as browser:
            await browser.row(0)
            assert served.metric("pagecast_slots_in_use") == 1
        assert await eventually(lambda: served.metric("pagecast_slots_in_use") == 0) < 1
        await eventually(lambda: served.metric("pagecast_browses_open") == 0)


async def test_a_deadline_ends_a_page_nobody_reads_on(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        async with browsing(served, rows_ahead=1, timeout_s=1.0) as browser:
            await browser.row(0)
            with pytest.raises(AioRpcError) as failed:
                await browser.rest()
        await eventually(lambda: served.metric("pagecast_browses_open") == 0)
    assert failed.value.code() is StatusCode.DEADLINE_EXCEEDED


async def test_a_call_without_a_deadline_has_the_servers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homepage, "BROWSE_SECONDS_MAX", 0.5)
    async with house.serve() as served, browsing(served, rows_ahead=1) as browser:
        await browser.row(0)
        refused = await refusal(browser)
    assert refused[:2] == (StatusCode.DEADLINE_EXCEEDED, "PAGE_TIME_EXCEEDED")


async def test_a_call_that_says_nothing_keeps_its_place_for_seconds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homepage, "BEGIN_SECONDS_MAX", 0.2)
    async with house.serve() as served:
        refused = await refusal(call_of(served))
        await eventually(lambda: served.metric("pagecast_browses_open") == 0)
        async with browsing(served, rows_ahead=1) as browser:
            await browser.row(0)
            await asyncio.sleep(0.4)  # a reader who has begun takes all the time there is
            await browser.see(0)
            await browser.row(1)
    assert refused == (StatusCode.DEADLINE_EXCEEDED, "BROWSE_NOT_BEGUN", "")


async def test_two_readers_of_one_slot_wait_for_their_turns_and_a_newcomer_is_refused(
    house: House,
) -> None:
    house.train_champion()
    async with (
        house.serve(slots_max=1, waiting_max=0) as served,
        browsing(served, "ada", rows_ahead=1) as ada,
    ):
        await ada.row(0)
        await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
        async with browsing(served, "bob", rows_ahead=1) as bob:
            await bob.row(0)
            await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
            held = served.server.resources.slots.take("neighbour")
            await ada.see(0)
            await bob.see(0)
            await eventually(lambda: served.metric("pagecast_slots_waiting") == 2)
            async with browsing(served, "carl") as carl:
                refused = await refusal(carl)
            held.leave()
            await ada.row(1)
            await bob.row(1)
    assert refused[:2] == (StatusCode.RESOURCE_EXHAUSTED, "SLOTS_EXHAUSTED")


async def test_a_part_that_gets_no_slot_in_its_time_ends_and_what_stands_can_be_carried_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve(slots_max=1, waiting_max=0) as served:
        async with browsing(served, rows_ahead=1) as browser:
            token = (await browser.row(0)).continuation
            await eventually(lambda: served.metric("pagecast_slots_in_use") == 0)
            monkeypatch.setattr(browse, "PAGE_TIME_MAX_S", 0.2)
            held = served.server.resources.slots.take("neighbour")
            await browser.see(0)
            refused = await refusal(browser)
            held.leave()
        await eventually(lambda: served.metric("pagecast_slots_waiting") == 0)
        rest = await served.page("ada", continuation=token, rows=1, entities_per_row=1)
    assert refused[:2] == (StatusCode.DEADLINE_EXCEEDED, "PAGE_TIME_EXCEEDED")
    assert rest.started.rows_before == 1


async def test_so_many_pages_are_browsed_and_no_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homepage, "BROWSES_MAX", 1)
    async with house.serve() as served, browsing(served, rows_ahead=1) as first:
        await first.row(0)
        async with browsing(served, rows_ahead=1) as second:
            refused = await refusal(second)
        await first.see(0)
        await first.row(1)
    assert refused == (StatusCode.RESOURCE_EXHAUSTED, "BROWSES_EXHAUSTED", "")


async def test_a_client_that_browses_much_leaves_places_to_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homepage, "BROWSES_OF_CLIENT_MAX", 1)
    async with house.serve() as served:
        async with browsing(served, rows_ahead=1, client="flood") as first:
            await first.row(0)
            async with browsing(served, rows_ahead=1, client="flood") as second:
                refused = await refusal(second)
            async with browsing(served, rows_ahead=1, client="other") as other:
                await other.row(0)
        await eventually(lambda: served.metric("pagecast_browses_open") == 0)
        async with browsing(served, rows_ahead=1, client="flood") as again:
            await again.row(0)
    assert refused == (StatusCode.RESOURCE_EXHAUSTED, "BROWSES_EXHAUSTED", "")


async def test_a_store_that_goes_away_leaves_what_was_read_and_done(house: House) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    async with house.serve() as served, browsing(served, rows_ahead=1) as browser:
        await browser.row(0)
        break_store(house)
        await browser.act(hide("ada", "m5"))
        await browser.see(0)
        await browser.row(1)
    first, second = browser.parts
    assert second.degraded_reason == ""
    assert second.history_version == first.history_version
    assert second.actions_reflected == 1


async def test_a_drain_ends_pages_that_are_browsed(house: House) -> None:
    house.train_champion()
    async with house.serve(grace_seconds=30) as served:
        async with browsing(served, rows_ahead=1) as browser:
            await browser.row(0)
            began_s = asyncio.get_running_loop().time()
            await served.server.drain(asyncio.Event())
            took_s = asyncio.get_running_loop().time() - began_s
            refused = await refusal(browser)
        served.server.drain = _drained  # type: ignore[method-assign]
    assert took_s < 10
    assert refused == (StatusCode.UNAVAILABLE, "SERVER_DRAINING", "")


async def _drained(_insisted: asyncio.Event) -> None:
    """It has been."""


def test_a_part_holds_a_slot_no_longer_than_a_page_may() -> None:
    assert browse.PAGE_TIME_MAX_S < browse.BROWSE_SECONDS_MAX
