"""What a message costs: the server's way from a choice to the stream, beside gRPC alone."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import grpc

from pagecast.cli.bench.cpu import left_alone, measured_core
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.one_server import ready_facts
from pagecast.cli.bench.serve.ready_stream import (
    EMPTY_SERVICE,
    GRANULARITIES,
    OURS,
    Doors,
    Streamed,
    page_request,
    stream_for,
)
from pagecast.cli.bench.serve.world import World

READY_PAGES = "pagecast.cli.bench.jobs.ready_pages"

EMPTY = "an empty grpc.aio stream of the same bytes"

COST_REACH = 1.5
"""Cost of a message, by that of the empty stream."""

TURN_SHARE = 0.2
"""A turn of each stream, as a share of a closed loop's seconds. CPU time is known to a hundredth of
a second."""

Turns = Mapping[str, Sequence[tuple[Streamed, Streamed]]]
"""Ours and the empty stream, turn by turn, by granularity."""


async def transport_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """Both, in turns, from one process and by its CPU time; one round warms up."""
    ready_file = config.folder / "ready-pages.ready"
    ready_file.unlink(missing_ok=True)
    spec = JobSpec(
        name="ready pages",
        python=Path(sys.executable),
        program=READY_PAGES,
        settings={"state": str(world.paths.root), "ready_file": str(ready_file)},
        core=measured_core(),
        log=config.folder / "ready-pages.log",
    )
    say("messages of pages that are ready")
    with left_alone(spec.core), Job(spec) as job:
        addresses = await ready_facts(ready_file, job)
        async with (
            grpc.aio.insecure_channel(addresses["ours"]) as ours,
            grpc.aio.insecure_channel(addresses["empty"]) as empty,
        ):
            doors = Doors(job=job, ours=ours, empty=empty)
            seconds = TURN_SHARE * config.seconds
            rounds = [await _round(doors, seconds) for _ in range(config.rounds + 1)]
    return rows_of_transport({name: [one[name] for one in rounds[1:]] for name in GRANULARITIES})


async def _round(doors: Doors, seconds: float) -> dict[str, tuple[Streamed, Streamed]]:
    measured = {}
    for name, granularity in GRANULARITIES.items():
        request = page_request(granularity).SerializeToString()
        mine = await stream_for(doors, doors.ours, OURS, request, seconds)
        method = f"/{EMPTY_SERVICE}/{name}"
        measured[name] = mine, await stream_for(doors, doors.empty, method, request, seconds)
    return measured


def rows_of_transport(turns: Turns) -> list[Row]:
    """Cost by CPU time, its ratio being the median over turns; pace by the clock, which includes
    the client."""
    rows = []
    for name, pairs in turns.items():
        ours, empty = [mine for mine, _ in pairs], [other for _, other in pairs]
        size = sum(one.bytes for one in ours) / sum(one.messages for one in ours)
        what = f"{name.lower()}, messages of {size:.0f} bytes"
        rows += [
            Row.compared(
                f"transport, {what}: CPU us a message",
                EMPTY,
                median(one.us_per_message for one in ours),
                median(one.us_per_message for one in empty),
                ratio=median(a.us_per_message / b.us_per_message for a, b in pairs),
                reach=COST_REACH,
                better=Better.LOWER,
            ),
            Row.compared(
                f"transport, {what}: messages/s",
                EMPTY,
                median(one.messages_per_second for one in ours),
                median(one.messages_per_second for one in empty),
                ratio=median(a.messages_per_second / b.messages_per_second for a, b in pairs),
            ),
        ]
    return rows
