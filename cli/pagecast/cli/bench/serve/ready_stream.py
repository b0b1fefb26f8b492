"""Streams of ready messages as a client asks for them; their content is not looked at."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import grpc

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import USER
from pagecast.v1 import homepage_pb2

OURS = "/pagecast.v1.HomepageService/StreamHomepage"

EMPTY_SERVICE = "pagecast.bench.Empty"
"""Sends ready bytes: methods `Rows` and `Entities`. `Waited` says what the other door's threads
have spent waiting, which is no part of a message."""

STREAMS_MAX = 8
"""Threads that hand pages over, which bounds the streams at a time."""

STREAMS = 4
"""At a time: the server always has something to do, and the client is not what it waits for."""

GRANULARITIES = {
    "Rows": homepage_pb2.GRANULARITY_ROWS,
    "Entities": homepage_pb2.GRANULARITY_ENTITIES,
}


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """What one turn moved."""

    messages: int
    bytes: int
    cpu_seconds: float
    """The server's, without what waiting for the next portion cost it."""
    seconds: float

    @property
    def us_per_message(self) -> float:
        return self.cpu_seconds / self.messages * 1e6

    @property
    def messages_per_second(self) -> float:
        return self.messages / self.seconds


def page_request(
    granularity: "homepage_pb2.Granularity.ValueType",
) -> homepage_pb2.StreamHomepageRequest:
    request = PageShape().request(USER)
    request.granularity = granularity
    return request


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Both ends of what is measured, of one process."""

    job: Job
    ours: grpc.aio.Channel
    empty: grpc.aio.Channel

    async def cpu_seconds(self) -> float:
        """Of the process, without the waiting."""
        call: Any = self.empty.unary_unary(f"/{EMPTY_SERVICE}/Waited", None, None)
        return self.job.cpu_seconds() - float(await call(b""))


async def stream_for(
    doors: Doors, channel: grpc.aio.Channel, method: str, request: bytes, seconds: float
) -> Streamed:
    """Streams of a method for `seconds`, each client starting its next when one has ended. Raises
    AioRpcError."""
    call: Any = channel.unary_stream(method, None, None)
    messages, size = 0, 0
    cpu_seconds, began_s = await doors.cpu_seconds(), time.perf_counter()

    async def client() -> None:
        nonlocal messages, size
        while time.perf_counter() - began_s < seconds:
            async for message in call(request):
                messages += 1
                size += len(message)

    await asyncio.gather(*(client() for _ in range(STREAMS)))
    lasted_s = time.perf_counter() - began_s
    return Streamed(
        messages=messages,
        bytes=size,
        cpu_seconds=await doors.cpu_seconds() - cpu_seconds,
        seconds=lasted_s,
    )
