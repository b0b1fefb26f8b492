"""Pages through gRPC: a closed loop of clients, and single pages with histories in every state."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.serve.world import START_MS
from pagecast.cli.exits import CommandError
from pagecast.cli.stack.ready import announced
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

START_SECONDS_MAX = 120.0
"""Embedding a catalog of 20,000 takes seconds, minutes on a busy machine."""

PAGE_SECONDS_MAX = 60.0

UNSERVED = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
"""What a server that has too much to do answers with; anything else is a fault."""


@dataclass(frozen=True, kw_only=True)
class PageShape:
    """What a client asks for."""

    rows: int = 20
    entities_per_row: int = 10
    exact_entities: int = 10

    def request(self, user_id: str, minutes: int = 0) -> homepage_pb2.StreamHomepageRequest:
        """Of a user, so many minutes after the world's moment."""
        request = homepage_pb2.StreamHomepageRequest(user_id=user_id, **asdict(self))
        request.requested_at.FromMilliseconds(START_MS + minutes * 60_000)
        return request


@dataclass(kw_only=True)
class Loaded:
    """What a closed loop saw."""

    pages: int = 0
    unserved: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    first_row_ms: list[float] = field(default_factory=list)
    page_ms: list[float] = field(default_factory=list)

    @property
    def pages_per_cpu_second(self) -> float:
        return self.pages / self.cpu_seconds


def quantile(values: list[float], share: float) -> float:
    """Of what was measured, without interpolation."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


async def ready_facts(ready_file: Path, job: Job) -> dict[str, Any]:
    """What a job announces once it is ready. Raises CommandError if it never is."""
    until = time.monotonic() + START_SECONDS_MAX
    while (facts := announced(ready_file)) is None:
        job.check()
        if time.monotonic() > until:
            raise CommandError(f"{job.spec.name} does not start", f"read {job.spec.log}")
        await asyncio.sleep(0.05)
    return facts


async def address_of(ready_file: Path, job: Job) -> str:
    """Where a server answers, once it is ready. Raises CommandError if it never is."""
    return str((await ready_facts(ready_file, job))["address"])


@asynccontextmanager
async def channel_to(ready_file: Path, job: Job) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server once it is ready. Raises CommandError if it never is."""
    async with grpc.aio.insecure_channel(await address_of(ready_file, job)) as channel:
        yield channel


@asynccontextmanager
async def channels_to(address: str, number: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    """So many connections; channels made without care would share one."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with AsyncExitStack() as exits:
        yield [
            await exits.enter_async_context(grpc.aio.insecure_channel(address, options=own))
            for _ in range(number)
        ]


async def one_page(
    channel: grpc.aio.Channel, user_id: str, shape: PageShape, minutes: int = 0
) -> tuple[float, float]:
    """Milliseconds until its first row and until its end. Raises AioRpcError."""
    request = shape.request(user_id, minutes)
    began_s, first_row_s = time.perf_counter(), 0.0
    stub = homepage_pb2_grpc.HomepageServiceStub(channel)
    call: Any = stub.StreamHomepage(request, timeout=PAGE_SECONDS_MAX)
    async for message in call:
        if not first_row_s and message.HasField("row_completed"):
            first_row_s = time.perf_counter()
        if message.HasField("page_started") and message.page_started.degraded_reason:
            raise CommandError(
                f"a page was degraded ({message.page_started.degraded_reason})",
                "read the server's log",
            )
    return (first_row_s - began_s) * 1000, (time.perf_counter() - began_s) * 1000


async def closed_loop(
    channel: grpc.aio.Channel, job: Job, clients: int, seconds: float, shape: PageShape
) -> Loaded:
    """Every client asks for its next page as soon as it has one; each is a user of its own."""
    loaded = Loaded()
    await asyncio.gather(*(one_page(channel, f"u{i}", shape) for i in range(min(clients, 16))))
    cpu_seconds, began_s = job.cpu_seconds(), time.perf_counter()

    async def client(number: int) -> None:
        while time.perf_counter() - began_s < seconds:
            try:
                first_row_ms, page_ms = await one_page(channel, f"u{number}", shape)
            except grpc.aio.AioRpcError as error:
                if error.code() not in UNSERVED:
                    raise
                loaded.unserved += 1
                await asyncio.sleep(0.05)
                continue
            loaded.pages += 1
            loaded.first_row_ms.append(first_row_ms)
            loaded.page_ms.append(page_ms)

    await asyncio.gather(*map(client, range(clients)))
    loaded.seconds = time.perf_counter() - began_s
    loaded.cpu_seconds = job.cpu_seconds() - cpu_seconds
    return loaded


async def first_row_ms(
    channel: grpc.aio.Channel, shape: PageShape, before: Callable[[int], str], rounds: int
) -> float:
    """The median time to the first row of the user whom `before` has got ready."""
    measured = []
    for number in range(rounds):
        user_id = before(number)
        measured.append((await one_page(channel, user_id, shape, minutes=number))[0])
    return median(measured)
