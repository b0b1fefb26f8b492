"""One page as its client sees it, whatever becomes of it.

Moments are read from `time.perf_counter`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from pagecast.cli.bench.serve.page_shape import SHORT, PageShape
from pagecast.cli.bench.serve.world import VISITORS
from pagecast.cli.exits import CommandError
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

PAGE_SECONDS_MAX = 30.0
"""How long a client waits for a page: as long as a server allows at most."""

Message = homepage_pb2.StreamHomepageResponse | homepage_pb2.BrowseHomepageResponse


@dataclass(kw_only=True)
class AskedPage:
    """Filled in while the page comes."""

    due_s: float = field(default_factory=time.perf_counter)
    """When it should have been asked for: a late client keeps its page waiting."""
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
    """Status of a stream that did not end well."""

    @property
    def whole(self) -> bool:
        return bool(self.ended_s) and self.code is None and not self.degraded

    @property
    def refused(self) -> bool:
        return self.code is grpc.StatusCode.RESOURCE_EXHAUSTED

    @property
    def unserved(self) -> bool:
        """Whether an overloaded server refused it or was too late, which is no fault."""
        return self.refused or self.code is grpc.StatusCode.DEADLINE_EXCEEDED

    @property
    def fault(self) -> str:
        """What is wrong with it; nothing if it went unserved."""
        if not self.ended_s or self.whole or self.unserved:
            return ""
        return self.degraded or str(self.code)

    @property
    def first_row_ms(self) -> float | None:
        return (self.rows_s[0] - self.due_s) * 1000 if self.rows_s else None

    def take(self, message: Message) -> None:
        """Notes the next message of its stream."""
        if message.HasField("row_completed"):
            self.rows_s.append(time.perf_counter())
        elif message.HasField("page_started"):
            self.started_s = time.perf_counter()
            self.model = message.page_started.model_version
            self.degraded = message.page_started.degraded_reason
            self.history_offset = message.page_started.history_version.next_offset


async def ask(
    channel: grpc.aio.Channel, request: homepage_pb2.StreamHomepageRequest, page: AskedPage
) -> None:
    """Asks for a page and fills in what becomes of it; raises nothing of the RPC."""
    page.asked_s = time.perf_counter()
    stub = homepage_pb2_grpc.HomepageServiceStub(channel)
    call: Any = stub.StreamHomepage(request, timeout=PAGE_SECONDS_MAX)
    try:
        async for message in call:
            page.take(message)
    except grpc.aio.AioRpcError as error:
        page.code = error.code()
    page.ended_s = time.perf_counter()


async def whole_page(
    channel: grpc.aio.Channel, request: homepage_pb2.StreamHomepageRequest
) -> AskedPage:
    """Asks for a page and returns it once it has come. Raises CommandError if it is not whole."""
    await ask(channel, request, page := AskedPage())
    if not page.whole:
        how = f"a page that was asked for by itself ended with {page.fault or page.code}"
        raise CommandError(how, "read the server's log")
    return page


async def everybody_has_a_page(channel: grpc.aio.Channel) -> None:
    """Gives each visitor a page, so that their histories' prefixes are kept: a first page feeds a
    whole prompt, and a load of those would measure that. Raises CommandError."""
    for visitor in VISITORS:
        await whole_page(channel, SHORT.request(visitor))


def pages_per_second(
    pages: Iterable[AskedPage], begin_s: float, end_s: float, shape: PageShape
) -> float:
    """Whole pages per second, counted by their rows that came between two moments.

    Pages begun together end together: counted whole, a few of them more or less would change the
    figure of so short a time.
    """
    rows = sum(begin_s <= row_s < end_s for page in pages if page.whole for row_s in page.rows_s)
    return rows / shape.rows / (end_s - begin_s)
