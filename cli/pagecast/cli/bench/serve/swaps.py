"""Rows of swaps under load: what clients see while the champion is exchanged, and afterwards."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import sqlalchemy as sa

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.asking import everybody_has_a_page
from pagecast.cli.bench.serve.closed_loop import peak_pages_per_second
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.one_server import RunningServer, one_server
from pagecast.cli.bench.serve.open_loop import OpenLoop
from pagecast.cli.bench.serve.page_shape import SHORT
from pagecast.cli.bench.serve.swap_parts import parts_so_far, rows_of_parts
from pagecast.cli.bench.serve.world import World, train_another
from pagecast.cli.exits import CommandError
from pagecast.cli.percentile import percentile
from pagecast.featurestore.database import Lock, connect, exclusive
from pagecast.featurestore.models.records import CHALLENGER, MovedFor
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.registry_rows import move_alias
from pagecast.server.models.former_models import FORMER_MODELS_MAX
from pagecast.server.models.succession import SUCCESSION_S_MAX

MODELS = FORMER_MODELS_MAX + 2
"""In a circle, and more than a server keeps, so that every swap loads, embeds and warms."""

FOLLOW_SECONDS_MAX = 120.0
"""After this a swap has failed: loading and embedding a catalog of 20,000 takes seconds."""

PREFIX_MB = 112
"""For the server's kept histories: of all users by two models, but not by all models of the circle.
In life, too, a new champion has none."""

GATE_S = 12.0
"""From a registration to its promotion, if a model is the challenger first: no gate is quicker, and
a quiet server has loaded it by then. Otherwise the promotion finds it half loaded."""

FIRST_ROW_REACH, FOLLOW_REACH_S = 2.0, 2.0
"""p99 during swaps by the steady p99; seconds from a promotion to the new model's first page."""


@dataclass(frozen=True, kw_only=True)
class Swapped:
    """What a number of swaps looked like."""

    steady_ms: list[float]
    during_ms: list[float]
    loading_ms: list[float]
    """Those during swaps of pages that were due before the new model's first one."""
    ahead: bool = False
    """Whether each model was the challenger first, when its loading, and so its swap, began."""
    followed_s: list[float]
    failed: int
    left_out: int
    resident_before: int
    resident_after: int


async def swap_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """A server at half of its peak, and the champion moved on `config.swaps` times."""
    versions = [world.bundle.name, *(train_another(world, seed) for seed in range(1, MODELS))]
    engine = connect(world.paths.database_url)
    try:
        # Left by an earlier run, the server would load it while its peak is measured.
        challenge(engine, None)
        async with one_server(world, config, prefix_cache_mb=PREFIX_MB) as server:
            return await _rows_of_server(server, engine, versions, config, say)
    finally:
        engine.dispose()


def challenge(engine: sa.Engine, version: str | None) -> None:
    """Makes a registered model, or none, the challenger, as if it were registered now."""
    with exclusive(engine, Lock.REGISTRY) as connection:
        move_alias(connection, CHALLENGER, version, MovedFor(by="bench", reason="register"))


def rows_of_swaps(swaps: int, swapped: Swapped) -> list[Row]:
    """The figures of the swaps beside those of the same load without."""
    how = " of challengers" if swapped.ahead else ""
    begin = "registration" if swapped.ahead else "promotion"
    rows = [
        Row.compared(
            f"first row p{share * 100:.0f} ms at half of peak, during {swaps} swaps{how}",
            "the same load before",
            percentile(swapped.during_ms, share),
            percentile(swapped.steady_ms, share),
            reach=FIRST_ROW_REACH if share > 0.9 else None,
            better=Better.LOWER,
        )
        for share in (0.5, 0.99)
    ]
    latest_s = max(swapped.followed_s)
    loading = [
        Row.alone(
            f"first row p{share * 100:.0f} ms from a {begin} to the new model's first page",
            percentile(swapped.loading_ms, share),
        )
        for share in (0.5, 0.99)
        if swapped.loading_ms
    ]
    return [
        *rows,
        *loading,
        Row.alone(
            f"promotion to first page of the new model{how}, median s", median(swapped.followed_s)
        ),
        Row(
            what=f"promotion to first page of the new model{how}, longest s",
            beside="",
            ours=latest_s,
            reach=FOLLOW_REACH_S,
            reached=latest_s <= FOLLOW_REACH_S,
        ),
        Row.alone(f"pages that failed, {swaps} swaps{how}", swapped.failed),
        Row.alone(f"pages not asked for, too many were in flight{how}", swapped.left_out),
        Row.compared(
            f"resident MiB of the server after {swaps} swaps{how}",
            f"after swap {min(MODELS, swaps)}",
            swapped.resident_after / 2**20,
            swapped.resident_before / 2**20,
        ),
    ]


async def _rows_of_server(
    server: RunningServer,
    engine: sa.Engine,
    versions: Sequence[str],
    config: ServeBenchConfig,
    say: Callable[[str], None],
) -> list[Row]:
    await everybody_has_a_page(server.channels[0])
    say("the peak of short pages")
    rate = await peak_pages_per_second(server.channels, config.seconds, SHORT) / 2
    say(f"{config.swaps} swaps at {rate:.1f} pages a second")
    load, before = OpenLoop(), parts_so_far(server.metrics_port)
    asking = asyncio.create_task(load.keep_asking(server.channels[0], rate))
    try:
        swapped = await _swap(engine, versions, config, server.job, load)
        parts = rows_of_parts(before, parts_so_far(server.metrics_port))
        say(f"{config.swaps} more, to models that were the challenger before")
        ahead = await _swap(engine, versions, config, server.job, load, ahead=True)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    swaps = config.swaps
    return rows_of_swaps(swaps, swapped) + parts + rows_of_swaps(swaps, ahead)


async def _swap(
    engine: sa.Engine,
    versions: Sequence[str],
    config: ServeBenchConfig,
    job: Job,
    load: OpenLoop,
    *,
    ahead: bool = False,
) -> Swapped:
    failed, left_out = load.failed, load.left_out
    began_s = time.perf_counter()
    await asyncio.sleep(config.seconds)
    steady_ms = load.first_rows_between(began_s, time.perf_counter())
    during_ms, loading_ms, followed_s = list[float](), list[float](), list[float]()
    resident: list[int] = []
    for swap in range(1, config.swaps + 1):
        # The models loaded ahead go on in the circle where the others ended.
        version = versions[(swap + ahead * config.swaps) % MODELS]
        begun_s = time.perf_counter()
        await asyncio.to_thread(challenge, engine, version if ahead else None)
        if ahead:
            await asyncio.sleep(min(GATE_S, 2 * config.seconds))
        promoted_s = time.perf_counter()
        await asyncio.to_thread(Registry(engine).promote, version, by="bench")
        followed_s.append(await _followed(load, job, version, promoted_s))
        # Until everybody has come over, and the model before is free.
        await asyncio.sleep(min(SUCCESSION_S_MAX, 2 * config.seconds))
        during_ms += load.first_rows_between(begun_s, time.perf_counter())
        loading_ms += load.first_rows_between(begun_s, promoted_s + followed_s[-1])
        resident.append(job.resident_bytes())
    return Swapped(
        steady_ms=steady_ms,
        during_ms=during_ms,
        loading_ms=loading_ms,
        followed_s=followed_s,
        ahead=ahead,
        failed=load.failed - failed,
        left_out=load.left_out - left_out,
        resident_before=resident[min(MODELS, len(resident)) - 1],
        resident_after=resident[-1],
    )


async def _followed(load: OpenLoop, job: Job, version: str, promoted_s: float) -> float:
    """Seconds from the promotion to the first page by the new model. Raises CommandError."""
    while True:
        for at_s, model in reversed(load.started):
            if at_s < promoted_s:
                break
            if model == version:
                return at_s - promoted_s
        job.check()
        if time.perf_counter() - promoted_s > FOLLOW_SECONDS_MAX:
            raise CommandError(f"the server did not follow to {version}", f"read {job.spec.log}")
        await asyncio.sleep(0.02)
