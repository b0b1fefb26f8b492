"""One page as its client sees it, whatever becomes of it.

Moments are of `time.perf_counter`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from pagecast.cli.bench.serve.load import PageShape
from pagecast.v1 import homepage_pb2_grpc

PAGE_SECONDS_MAX = 30.0
"""What a client waits for a page: as long as a server gives it at most."""


@dataclass(kw_only=True)
class AskedPage:
    """Filled in while the page comes."""

    due_s: float
    """When it was to be asked for: a client that is late keeps its page waiting."""
    asked_s: float = 0.0
    started_s: float = 0.0
    """0 until it starts."""
    model: str = ""
    degraded: str = ""
    history_offset: int = 0
    """Next offset of the history in its prompt."""
    rows_s: list[float] = field(default_factory=list)
    """When each of its rows came."""
    ended_s: float = 0.0
    """When the stream ended, well or not; 0 until then."""
    code: grpc.StatusCode | None = None
    """Of a stream that did not end well."""

    @property
    def whole(self) -> bool:
        return bool(self.ended_s) and self.code is None and not self.degraded

    @property
    def refused(self) -> bool:
        return self.code is grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def first_row_ms(self) -> float | None:
        return (self.rows_s[0] - self.due_s) * 1000 if self.rows_s else None


async def ask(
    channel: grpc.aio.Channel,
    user_id: str,
    shape: PageShape,
    page: AskedPage,
    seconds_max: float = PAGE_SECONDS_MAX,
) -> None:
    """Asks for a page and fills in what becomes of it; of the RPC nothing is raised."""
    request = shape.request(user_id)
    page.asked_s = time.perf_counter()
    stub = homepage_pb2_grpc.HomepageServiceStub(channel)
    call: Any = stub.StreamHomepage(request, timeout=seconds_max)
    try:
        async for message in call:
            if message.HasField("row_completed"):
                page.rows_s.append(time.perf_counter())
            elif message.HasField("page_started"):
                page.started_s = time.perf_counter()
                page.model = message.page_started.model_version
                page.degraded = message.page_started.degraded_reason
                page.history_offset = message.page_started.history_version.next_offset
    except grpc.aio.AioRpcError as error:
        page.code = error.code()
    page.ended_s = time.perf_counter()


def pages_per_second(
    pages: Iterable[AskedPage], begin_s: float, end_s: float, shape: PageShape
) -> float:
    """Of whole pages, by their rows that came between two moments.

    Pages begun together end together: counted whole, a few more or less would fall into so short a
    time.
    """
    rows = sum(begin_s <= row_s < end_s for page in pages if page.whole for row_s in page.rows_s)
    return rows / shape.rows / (end_s - begin_s)
