"""A browsed page: how long a row takes that reflects an action, and one that need not.

Rows of both kinds take turns on the same pages, so the machine's load meets both alike.
"""

import asyncio
import time
from statistics import median
from typing import Any

import grpc

from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.asking import AskedPage
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import START_MS, USER
from pagecast.cli.exits import CommandError
from pagecast.eventlog.event_id import new_event_id
from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

Request = homepage_pb2.BrowseHomepageRequest

PAGE_SECONDS_MAX = 60.0
"""Deadline of a page that is browsed, one row after the other."""


async def browsed_rows(name: str, channel: grpc.aio.Channel, rounds: int, entities: int) -> Row:
    """Medians over rows of `rounds` exact pages of 20 rows of 10, one row ahead of the reader.

    Raises AioRpcError, or CommandError if a page is degraded.
    """
    acted_ms: list[float] = []
    looked_ms: list[float] = []
    for number in range(rounds):
        await _browse(channel, number, entities, acted_ms, looked_ms)
    return Row.compared(
        f"next row of a page that is browsed, {name}, an action before it, ms",
        "nothing done",
        median(acted_ms),
        median(looked_ms),
        better=Better.LOWER,
    )


async def _browse(
    channel: grpc.aio.Channel,
    number: int,
    entities: int,
    acted_ms: list[float],
    looked_ms: list[float],
) -> None:
    stub: Any = homepage_pb2_grpc.HomepageServiceStub(channel)
    call = stub.BrowseHomepage(timeout=PAGE_SECONDS_MAX)
    shape, page = PageShape(), AskedPage()
    begin = homepage_pb2.BrowsePage(page=shape.request(USER), rows_ahead=1)
    await call.write(Request(begin=begin))
    said_s, measured = 0.0, looked_ms
    async for message in call:
        page.take(message)
        if page.degraded:
            raise CommandError(f"a page was degraded ({page.degraded})", "read the server's log")
        if not message.HasField("row_completed"):
            continue
        row = message.row_completed.row.row_position
        if row > 1:  # the second may have a page's warm-up in it
            measured.append((page.rows_s[-1] - said_s) * 1000)
        if row == shape.rows - 1:
            continue  # the call ends by itself
        # A person looks for a moment; the page has caught up by then.
        await asyncio.sleep(0.02)
        acts = row % 2 == number % 2
        measured, said_s = acted_ms if acts else looked_ms, time.perf_counter()
        if acts:
            event = _play(number * shape.rows + row, entities)
            await call.write(Request(actions=homepage_pb2.BrowseActions(events=[event])))
        await call.write(Request(row_seen=homepage_pb2.RowSeen(row_position=row)))


def _play(number: int, entities: int) -> events_pb2.InteractionEvent:
    event = events_pb2.InteractionEvent(
        event_id=new_event_id(),
        user_id=USER,
        context=events_pb2.RequestContext(device="tv", session_id="browsing"),
        play=events_pb2.Play(
            entity_id=f"e{number * 31 % entities}", kind=events_pb2.PLAY_KIND_FEATURE
        ),
    )
    event.occurred_at.FromMilliseconds(START_MS + number)
    return event
