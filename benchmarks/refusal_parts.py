"""What a refused page costs a server, compared with gRPC alone, by CPU time.

    python benchmarks/refusal_parts.py --refusals 500 --rounds 5

Starts a process with two doors and asks for pages at each in turn, one at a time. Behind the
floor's door, grpc.aio alone aborts with the details of a refusal; behind the other is a server
whose slots are taken. serve.md has the results.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import uvloop

from pagecast.cli.bench.cpu import measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.serve.one_server import ready_facts
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.stack.ready import announce
from pagecast.featurestore.state import StatePaths
from pagecast.server.app import PagecastServer
from pagecast.server.config import ServerConfig
from pagecast.server.main import SWITCH_INTERVAL_S
from pagecast.server.page.refusals import at_capacity
from pagecast.server.page.slots import Slots
from pagecast.server.rpc.errors import to_status
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

WARM_UP = 50


STATUS = to_status(at_capacity(Slots()))


async def refuse(_request: Any, context: Any) -> AsyncIterator[Any]:
    await context.abort(STATUS.code, STATUS.details, STATUS.trailing_metadata)
    yield


async def serve(folder: Path) -> None:
    """Both doors, until the process is ended."""
    floor = grpc.aio.server()
    handlers = {
        "StreamHomepage": grpc.unary_stream_rpc_method_handler(
            refuse,
            request_deserializer=homepage_pb2.StreamHomepageRequest.FromString,
            response_serializer=homepage_pb2.StreamHomepageResponse.SerializeToString,
        )
    }
    service = homepage_pb2.DESCRIPTOR.services_by_name["HomepageService"].full_name
    floor.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = floor.add_insecure_port("127.0.0.1:0")
    await floor.start()
    state = StatePaths(root=folder / "state").create()
    server = PagecastServer(
        ServerConfig(state=state, port=0, metrics_port=0, slots_max=1, waiting_max=0)
    )
    listening = await server.start()
    server.resources.slots.take("whose page never ends")
    announce(folder / "ready", {"floor": f"127.0.0.1:{port}", "server": listening.target})
    await asyncio.Event().wait()


def refused(channel: grpc.Channel, pages: int) -> None:
    stub: Any = homepage_pb2_grpc.HomepageServiceStub(channel)
    for _ in range(pages):
        try:
            next(stub.StreamHomepage(PageShape().request("ada"), timeout=30))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                continue
            raise
        raise SystemExit("a page was not refused")


def measure(folder: Path, refusals: int, rounds: int) -> dict[str, list[float]]:
    """CPU microseconds per refusal of the doors' process, for each round."""
    spec = JobSpec(
        name="doors",
        python=Path(sys.executable),
        program=str(Path(__file__).resolve()),
        settings={"folder": str(folder)},
        core=measured_core(),
        log=folder / "doors.log",
    )
    took: dict[str, list[float]] = {}
    with Job(spec) as job, ExitStack() as exits:
        addresses = asyncio.run(ready_facts(folder / "ready", job))
        channels = {n: exits.enter_context(grpc.insecure_channel(a)) for n, a in addresses.items()}
        for channel in channels.values():
            refused(channel, WARM_UP)
        for _ in range(rounds):
            for name, channel in channels.items():
                before_s = job.cpu_seconds()
                refused(channel, refusals)
                took.setdefault(name, []).append((job.cpu_seconds() - before_s) / refusals * 1e6)
    return took


def main() -> None:
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        uvloop.run(serve(Path(json.loads(sys.argv[1])["folder"])))
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--refusals", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        took = measure(Path(folder), options.refusals, options.rounds)
    ratio = median(a / b for a, b in zip(took["server"], took["floor"], strict=True))
    if options.json:
        print(json.dumps({"cpu_us": took, "ratio": ratio}))
        return
    for name, us in took.items():
        print(f"{name:8} {median(us):6.0f} us ({min(us):.0f} to {max(us):.0f})")
    print(f"ratio    {ratio:6.2f}")


if __name__ == "__main__":
    main()
