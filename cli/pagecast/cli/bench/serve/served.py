"""Rows of pages through gRPC: a server on a core of its own, for each form of the weights."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from pagecast.cli.bench.cpu import measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.browsed import browsed_rows
from pagecast.cli.bench.serve.config import HYBRID_K, WAYS, ServeBenchConfig
from pagecast.cli.bench.serve.load import (
    Loaded,
    PageShape,
    channel_to,
    closed_loop,
    first_row_ms,
    quantile,
)
from pagecast.cli.bench.serve.world import World, remember
from pagecast.engine.manifest import DecodeWeights

FALL_MIN = 0.85
"""Pages per CPU-second at 64 clients by those at one."""


async def served_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """A server with each form of the weights, one after the other."""
    rows: list[Row] = []
    for weights in DecodeWeights:
        rows += await _served_with(weights, world, config, say)
    return rows


async def _served_with(
    weights: DecodeWeights, world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    spec, ready_file = server_job(weights, world, config)
    with Job(spec) as job:
        async with channel_to(ready_file, job) as channel:
            rows = await _first_rows(weights, world, config, channel)
            rows.append(await browsed_rows(weights.value, channel, config.rounds, config.entities))
            for way, exact_entities in ((WAYS["exact"], 10), (WAYS["hybrid"], HYBRID_K)):
                shape, name = PageShape(exact_entities=exact_entities), f"{way} {weights}"
                loads = {}
                for clients in config.clients:
                    say(f"{clients} clients, {name}")
                    loads[clients] = await closed_loop(channel, job, clients, config.seconds, shape)
                rows += rows_of_loads(name, loads)
    return rows


def server_job(
    weights: DecodeWeights, world: World, config: ServeBenchConfig, **settings: Any
) -> tuple[JobSpec, Path]:
    """A server on the world, and the file it announces itself in, which is not there yet.

    `settings` are further ones of the job.
    """
    ready_file = config.folder / "serve.ready"
    ready_file.unlink(missing_ok=True)
    spec = JobSpec(
        name="server",
        python=Path(sys.executable),
        program="pagecast.cli.bench.jobs.serve",
        settings={
            "state": str(world.paths.root),
            "ready_file": str(ready_file),
            "decode_weights": weights.value,
            **settings,
        },
        core=measured_core(),
        log=config.folder / "serve.log",
    )
    return spec, ready_file


async def _first_rows(
    weights: DecodeWeights, world: World, config: ServeBenchConfig, channel: grpc.aio.Channel
) -> list[Row]:
    steps, shape = config.prompt - 2, PageShape(rows=1)

    def cold(number: int) -> str:
        remember(world, f"{weights}-cold{number}", steps)
        return f"{weights}-cold{number}"

    def unchanged(_number: int) -> str:
        return f"{weights}-cold0"

    def one_event(number: int) -> str:
        remember(world, f"{weights}-cold0", steps + 1 + number)
        return f"{weights}-cold0"

    rows = []
    for name, before, reach in (
        ("cold", cold, None),
        ("history unchanged", unchanged, 4.0),
        ("one new event", one_event, 5.0),
    ):
        ms = await first_row_ms(channel, shape, before, max(5, config.rounds))
        reached = None if reach is None else ms <= reach
        rows.append(
            Row(
                what=f"time to first row through gRPC, {weights}, {name}, ms",
                beside="",
                ours=ms,
                reach=reach,
                reached=reached,
            )
        )
    return rows


def rows_of_loads(name: str, loads: dict[int, Loaded]) -> list[Row]:
    """Each closed loop beside that of the fewest clients."""
    rows = []
    one = loads[min(loads)]
    for clients, loaded in loads.items():
        at = f"{name}, {clients} clients"
        rows.append(
            Row.compared(
                f"pages/CPU-s, {at}",
                f"{min(loads)} client",
                loaded.pages_per_cpu_second,
                one.pages_per_cpu_second,
                reach=FALL_MIN if clients == 64 else None,
            )
        )
        rows += [
            Row.compared(
                f"first row p{share * 100:.0f} ms, {at}",
                f"{min(loads)} client",
                quantile(loaded.first_row_ms, share),
                quantile(one.first_row_ms, share),
                reach=8.0 if (clients, share) == (16, 0.5) else None,
                better=Better.LOWER,
            )
            for share in (0.5, 0.99)
        ]
        if loaded.unserved:
            rows.append(Row.alone(f"refused or too late, {at}", loaded.unserved))
    return rows
