"""Where the time of a first row goes: the parts of a page and the threads of a server.

    python benchmarks/first_row.py --folder /tmp/first-row

A whole server runs in this process with 8-bit weights, its functions wrapped with clocks. A client
in a process of its own asks for pages of one row of ten, one after the other, for a user whose
history does not change. Prints JSON with averages per page: for each part, its thread's CPU, wall
clock and number of calls; for each thread, CPU and how long it waited for a core (Linux), which is
what a busy machine adds. Parts lie within each other. A world already in the folder is used again.
serve.md has the results.
"""

import argparse
import asyncio
import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import structlog
import uvloop

from pagecast.cli.bench.serve.world import START_MS, build_world
from pagecast.engine.batching import page_job
from pagecast.engine.batching.decode_loop import DecodeLoop
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.prefix_cache import MadeFrom, PrefixCache
from pagecast.engine.graph import Graph
from pagecast.featurestore.state import StatePaths
from pagecast.server import homepage, main
from pagecast.server.carrying_on.continuation import Continuations
from pagecast.server.config import ServerConfig
from pagecast.server.page import choosing, making, preparing
from pagecast.server.page.users import Users
from pagecast.server.page.writer import PageWriter
from pagecast.server.rpc import interceptor
from pagecast.server.rpc.listening import Listening
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

PARTS: tuple[tuple[Any, str], ...] = (
    (interceptor, "check"),
    (homepage, "read_request"),
    (making, "page_basis"),
    (Users, "read"),
    (Users, "_read"),
    (preparing, "build_prompt"),
    (preparing, "facts_of"),
    (preparing, "compile_rules"),
    (choosing, "prepare"),
    (page_job, "encode"),
    (page_job, "tokens_of"),
    (MadeFrom, "of"),
    (PrefixCache, "find"),
    (PageBatch, "join"),
    (PageBatch, "turn"),
    (Graph, "run_bound"),
    (DecodeLoop, "_wait"),
    (PageWriter, "__init__"),
    (PageWriter, "write"),
    (Continuations, "sign"),
)
"""What is timed: functions, in the modules that call them, and methods."""

HISTORY_STEPS = 258


class Clocks:
    """The thread's CPU nanoseconds, wall clock and calls, by part."""

    def __init__(self) -> None:
        self.spent: dict[str, list[int]] = {}

    def watch(self, owner: Any, name: str) -> None:
        called: Callable[..., Any] = getattr(owner, name)
        spent = self.spent[f"{owner.__name__}.{name}".removeprefix("pagecast.")] = [0, 0, 0]

        @functools.wraps(called)
        def timed(*arguments: Any, **named: Any) -> Any:
            cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
            try:
                return called(*arguments, **named)
            finally:
                spent[0] += time.thread_time_ns() - cpu_ns
                spent[1] += time.perf_counter_ns() - wall_ns
                spent[2] += 1

        setattr(owner, name, timed)

    def clear(self) -> None:
        for spent in self.spent.values():
            spent[:] = 0, 0, 0

    def per_page(self, pages: int) -> dict[str, dict[str, float]]:
        return {
            name: {
                "cpu_ms": round(cpu / pages / 1e6, 3),
                "wall_ms": round(wall / pages / 1e6, 3),
                "times": times / pages,
            }
            for name, (cpu, wall, times) in self.spent.items()
        }


def of_threads() -> dict[str, tuple[int, int]]:
    """Nanoseconds on a core and waiting for one, by thread name; gRPC's threads count as one."""
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    spent: dict[str, tuple[int, int]] = {}
    for task in Path("/proc/self/task").iterdir():
        on_core, waited, _ = map(int, (task / "schedstat").read_text().split())
        name = named.get(int(task.name), "native")
        before = spent.get(name, (0, 0))
        spent[name] = before[0] + on_core, before[1] + waited
    return spent


async def measure(folder: Path, pages: int) -> dict[str, Any]:
    clocks = Clocks()
    for owner, name in PARTS:
        clocks.watch(owner, name)
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    config = ServerConfig(
        state=StatePaths(root=folder),
        port=0,
        metrics_port=0,
        allow_client_clock=True,
        decode_weights="int8",
    )
    serving = asyncio.create_task(main.serve(config, ready.set_result))
    target = (await ready).target
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--folder", str(folder)),
        *("--pages", str(pages), "--client", target),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdin is not None and client.stdout is not None
    await client.stdout.readline()
    clocks.clear()
    before = of_threads()
    client.stdin.write(b"go\n")
    first_row_ms = json.loads(await client.stdout.readline())
    after = of_threads()
    told = {
        "first_row_ms": first_row_ms,
        "parts": clocks.per_page(pages),
        "threads": {
            name: {
                "cpu_ms": round((cpu - before.get(name, (0, 0))[0]) / pages / 1e6, 3),
                "waited_ms": round((waited - before.get(name, (0, 0))[1]) / pages / 1e6, 3),
            }
            for name, (cpu, waited) in sorted(after.items(), key=lambda each: -each[1][0])
        },
    }
    await client.wait()
    serving.cancel()
    await asyncio.wait([serving])
    return told


async def ask(target: str, pages: int) -> None:
    """The client: one page to warm up, the others after a line of input; prints milliseconds."""
    request = homepage_pb2.StreamHomepageRequest(
        user_id="u3", rows=1, entities_per_row=10, exact_entities=10
    )
    request.requested_at.FromMilliseconds(START_MS)
    async with grpc.aio.insecure_channel(target) as channel:
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)

        async def first_row_ms() -> float:
            began_s, row_s = time.perf_counter(), 0.0
            call: Any = stub.StreamHomepage(request)
            async for message in call:
                if message.HasField("row_completed"):
                    row_s = time.perf_counter()
            return (row_s - began_s) * 1000

        await first_row_ms()
        print("warm", flush=True)
        sys.stdin.readline()
        took_ms = [await first_row_ms() for _ in range(pages)]
    print(json.dumps({"lowest": min(took_ms), "median": median(took_ms)}), flush=True)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--pages", type=int, default=40)
    parser.add_argument("--client", help="an address: only ask it")
    asked = parser.parse_args()
    if asked.client:
        asyncio.run(ask(asked.client, asked.pages))
        return
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if not asked.folder.exists():
        build_world(asked.folder, asked.entities, HISTORY_STEPS)
    sys.setswitchinterval(main.SWITCH_INTERVAL_S)
    print(json.dumps(uvloop.run(measure(asked.folder, asked.pages)), indent=2))


if __name__ == "__main__":
    run()
