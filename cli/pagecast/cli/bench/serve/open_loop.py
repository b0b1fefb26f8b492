"""An open loop of short pages: asked for at a rate that is fixed, whatever becomes of them."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

from pagecast.cli.bench.serve.load import PageShape
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

SHAPE = PageShape(rows=4, exact_entities=3)
"""A short page: its first row is what is asked for, and there are more of them to ask."""

USERS = 64
"""Those whose histories the world holds."""

PAGE_SECONDS_MAX = 30.0

AT_ONCE_MAX = 64
"""Pages of the open loop in flight; beyond that the server is overloaded: pages are left out."""


@dataclass(kw_only=True)
class OpenLoop:
    """Pages asked for at a rate, whatever becomes of them."""

    first_rows: list[tuple[float, float]] = field(default_factory=list)
    """When each page was asked for, and milliseconds until its first row."""
    started: list[tuple[float, str]] = field(default_factory=list)
    """When each page started, and by which model."""
    failed: int = 0
    left_out: int = 0

    async def keep_asking(self, channel: grpc.aio.Channel, rate: float) -> None:
        """Until it is cancelled; then pages in flight end."""
        asked: set[asyncio.Task[None]] = set()
        number, began_s = 0, time.perf_counter()
        try:
            while True:
                await asyncio.sleep(max(0.0, began_s + number / rate - time.perf_counter()))
                number += 1
                if len(asked) >= AT_ONCE_MAX:
                    self.left_out += 1
                    continue
                task = asyncio.create_task(self._ask(channel, f"u{number % USERS}"))
                asked.add(task)
                task.add_done_callback(asked.discard)
        finally:
            await asyncio.gather(*asked)

    async def _ask(self, channel: grpc.aio.Channel, user_id: str) -> None:
        request = homepage_pb2.StreamHomepageRequest(
            user_id=user_id,
            rows=SHAPE.rows,
            entities_per_row=SHAPE.entities_per_row,
            exact_entities=SHAPE.exact_entities,
        )
        asked_s, first_row_s = time.perf_counter(), 0.0
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)
        call: Any = stub.StreamHomepage(request, timeout=PAGE_SECONDS_MAX)
        try:
            async for message in call:
                if message.HasField("page_started"):
                    model = message.page_started.model_version
                    self.started.append((time.perf_counter(), model))
                elif message.HasField("row_completed") and not first_row_s:
                    first_row_s = time.perf_counter()
                    self.first_rows.append((asked_s, (first_row_s - asked_s) * 1000))
        except grpc.aio.AioRpcError:
            self.failed += 1

    def first_rows_between(self, begin_s: float, end_s: float) -> list[float]:
        return [ms for at_s, ms in self.first_rows if begin_s <= at_s < end_s]
