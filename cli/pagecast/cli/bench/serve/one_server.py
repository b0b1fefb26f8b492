"""A server with a core to itself, and connections to it."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from pagecast.cli.bench.cpu import left_alone, measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.world import World
from pagecast.cli.exits import CommandError
from pagecast.cli.stack.ready import announced
from pagecast.engine.bundles.manifest import DecodeWeights

START_SECONDS_MAX = 120.0
"""Embedding a catalog of 20,000 takes seconds, or minutes on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that answers."""

    job: Job
    address: str
    metrics_port: int
    channels: Sequence[grpc.aio.Channel]


@asynccontextmanager
async def one_server(
    world: World,
    config: ServeBenchConfig,
    connections: int = 1,
    *,
    alone: bool = True,
    **settings: Any,
) -> AsyncIterator[RunningServer]:
    """A server on the world until the block ends; `settings` are those of `jobs.serve`.

    If it is not `alone`, it and everything else may use every core. Raises CommandError if it does
    not start, or has ended before the block does.
    """
    ready_file = config.folder / "serve.ready"
    ready_file.unlink(missing_ok=True)
    spec = JobSpec(
        name="server",
        python=Path(sys.executable),
        program="pagecast.cli.bench.jobs.serve",
        settings={
            "provider": config.provider.value,
            "state": str(world.paths.root),
            "ready_file": str(ready_file),
            "decode_weights": DecodeWeights.FP32.value,
            **settings,
        },
        core=measured_core() if alone else None,
        log=config.folder / "serve.log",
    )
    with left_alone(spec.core), Job(spec) as job:
        facts = await ready_facts(ready_file, job)
        async with channels_to(facts["address"], connections) as channels:
            yield RunningServer(
                job=job,
                address=facts["address"],
                metrics_port=facts["metrics_port"],
                channels=channels,
            )
        job.check()


async def ready_facts(ready_file: Path, job: Job) -> dict[str, Any]:
    """What a job announces when it is ready. Raises CommandError if it never is."""
    until = time.monotonic() + START_SECONDS_MAX
    while (facts := announced(ready_file)) is None:
        job.check()
        if time.monotonic() > until:
            raise CommandError(f"{job.spec.name} does not start", f"read {job.spec.log}")
        await asyncio.sleep(0.05)
    return facts


@asynccontextmanager
async def channels_to(address: str, number: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    """`number` connections; channels made without care would share one."""
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with AsyncExitStack() as exits:
        yield [
            await exits.enter_async_context(grpc.aio.insecure_channel(address, options=own))
            for _ in range(number)
        ]
