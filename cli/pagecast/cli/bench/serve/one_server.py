"""A server on a core that everything else keeps off, and connections to it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from pagecast.cli.bench.cpu import left_alone
from pagecast.cli.bench.job import Job
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.load import address_of, channels_to
from pagecast.cli.bench.serve.served import server_job
from pagecast.cli.bench.serve.world import World
from pagecast.engine.manifest import DecodeWeights


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that answers."""

    job: Job
    address: str
    channels: Sequence[grpc.aio.Channel]


@asynccontextmanager
async def one_server(
    world: World, config: ServeBenchConfig, connections: int = 1, **settings: Any
) -> AsyncIterator[RunningServer]:
    """With exact weights, as a server is unless told otherwise; `settings` are of its job."""
    spec, ready_file = server_job(DecodeWeights.FP32, world, config, **settings)
    with left_alone(spec.core), Job(spec) as job:
        address = await address_of(ready_file, job)
        async with channels_to(address, connections) as channels:
            yield RunningServer(job=job, address=address, channels=channels)
