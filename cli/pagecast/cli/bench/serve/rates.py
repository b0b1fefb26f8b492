"""First rows at fixed shares of the peak, by an open loop: nobody waits for anybody else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.asking import everybody_has_a_page
from pagecast.cli.bench.serve.closed_loop import PEAK_CLIENTS, peak_pages_per_second
from pagecast.cli.bench.serve.config import HYBRID_K, ServeBenchConfig
from pagecast.cli.bench.serve.one_server import one_server
from pagecast.cli.bench.serve.open_loop import OpenLoop, by_chance
from pagecast.cli.bench.serve.page_shape import WHOLE
from pagecast.cli.bench.serve.world import World
from pagecast.cli.percentile import percentile

SHARES = (0.25, 0.5, 0.8, 0.95)
"""Shares of the peak's pages per second."""

PAGES_WANTED = 200
"""At each share: a p99 is then the third slowest page."""

TIMES_SECONDS_MAX = 6.0
"""A slow machine stops after this many times a closed loop's seconds, with fewer pages."""


@dataclass(frozen=True, kw_only=True)
class AtRate:
    """What visitors saw at one rate."""

    pages: int
    """Pages that were to be asked for."""
    first_row_ms: list[float]
    failed: int
    left_out: int


async def rate_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """Whole pages, decoded as a server does by default (k=3)."""
    measured: dict[float, AtRate] = {}
    async with one_server(world, config) as server:
        await everybody_has_a_page(server.channels[0])
        say("the peak of whole pages")
        peak = await peak_pages_per_second(server.channels, config.seconds, WHOLE)
        for share in SHARES:
            rate = share * peak
            say(f"open loop at {share:.0%} of peak, {rate:.1f} pages a second")
            seconds = seconds_at(rate, config.seconds)
            load, pages = OpenLoop(shape=WHOLE), max(1, round(rate * seconds))
            await load.ask_at(server.channels, by_chance(pages, seconds))
            server.job.check()
            measured[share] = AtRate(
                pages=pages,
                first_row_ms=[ms for p in load.pages if (ms := p.first_row_ms) is not None],
                failed=load.failed,
                left_out=load.left_out,
            )
    return rows_of_rates(peak, measured)


def seconds_at(rate: float, seconds: float) -> float:
    """How long pages are asked for at a rate; `seconds` are those of a closed loop."""
    return min(max(PAGES_WANTED / rate, seconds), TIMES_SECONDS_MAX * seconds)


def rows_of_rates(peak: float, measured: Mapping[float, AtRate]) -> list[Row]:
    """Each rate beside the lowest."""
    name = f"hybrid k={HYBRID_K}"
    rows = [Row.alone(f"peak, closed loop of {PEAK_CLIENTS} clients, {name}, pages/s", peak)]
    lowest = min(measured)
    for share, at in measured.items():
        where = f"open loop at {share:.0%} of peak, {at.pages} pages"
        rows += [
            Row.compared(
                f"first row p{part * 100:.0f} ms, {where}",
                f"at {lowest:.0%}",
                percentile(at.first_row_ms, part),
                percentile(measured[lowest].first_row_ms, part),
                better=Better.LOWER,
            )
            for part in (0.5, 0.99)
            if at.first_row_ms and measured[lowest].first_row_ms
        ]
        lost = at.failed + at.left_out
        rows.append(Row.alone(f"pages that failed or were left out, {where}", lost))
    return rows
