"""Ten times what a server can do: what it still does, and how soon it says no to the rest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.asking import (
    PAGE_SECONDS_MAX,
    AskedPage,
    everybody_has_a_page,
    pages_per_second,
)
from pagecast.cli.bench.serve.closed_loop import PEAK_CLIENTS, peak_pages_per_second
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.one_server import one_server
from pagecast.cli.bench.serve.open_loop import OpenLoop
from pagecast.cli.bench.serve.page_shape import WHOLE
from pagecast.cli.bench.serve.refusals import REFUSED, Answer, probes_per_second, probing
from pagecast.cli.bench.serve.world import World
from pagecast.cli.percentile import percentile

TIMES_PEAK = 10
"""Pages asked for, including the probes', by those the server can make."""

CONNECTIONS = 4
"""Connections they come through: an overload is not one client's."""

IN_FLIGHT_MAX = 1_000
"""Pages of the overload; beyond that the load itself cannot keep up, and pages are left out."""

GOODPUT_REACH = 0.9
"""Of the peak."""

REFUSAL_REACH_MS = 10.0
"""Until a page is refused."""


@dataclass(frozen=True, kw_only=True)
class Overloaded:
    """What was seen between two moments, the first with all slots taken and the queue full."""

    peak: float
    goodput: float
    """Pages per second that were whole in time."""
    seconds: float
    pages: list[AskedPage] = field(default_factory=list)
    """That were due."""
    answers: list[Answer] = field(default_factory=list)
    """To probes."""
    left_out: int = 0


async def overload_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """A server with its defaults: 16 slots, 64 pages waiting."""
    async with one_server(world, config, CONNECTIONS) as server:
        await everybody_has_a_page(server.channels[0])
        say("the peak of whole pages")
        peak = await peak_pages_per_second(server.channels, config.seconds, WHOLE)
        asked = TIMES_PEAK * peak
        probes = probes_per_second(asked)
        rate = asked - probes
        # Wait until the pages that found an empty server have left their slots.
        settle_s = PEAK_CLIENTS / peak
        say(f"overload: {asked:.0f} pages a second, {TIMES_PEAK} times the peak")
        load = OpenLoop(shape=WHOLE, at_once_max=IN_FLIGHT_MAX)
        async with probing(server.address, config, WHOLE, probes) as probed:
            begin_s = time.perf_counter() + settle_s
            end_s = begin_s + config.seconds
            moments = (n / rate for n in range(round(rate * (settle_s + config.seconds))))
            await load.ask_at(server.channels, moments)
    return rows_of_overload(
        Overloaded(
            peak=peak,
            goodput=pages_per_second(load.pages, begin_s, end_s, WHOLE),
            seconds=config.seconds,
            pages=[page for page in load.pages if begin_s <= page.due_s < end_s],
            answers=list(probed.between(begin_s, end_s)),
            left_out=load.left_out,
        )
    )


def rows_of_overload(seen: Overloaded) -> list[Row]:
    """Goodput beside the peak, refusals beside their reach, and what became of the others."""
    asked = (len(seen.pages) + len(seen.answers)) / seen.seconds / seen.peak
    taken = [page for page in seen.pages if not page.refused]
    first_row_ms = [ms for page in taken if (ms := page.first_row_ms) is not None]
    whole = f"pages/s, whole within {PAGE_SECONDS_MAX:.0f} s, asked for {asked:.1f} times the peak"
    rows = [
        Row.compared(
            whole, f"{PEAK_CLIENTS} clients", seen.goodput, seen.peak, reach=GOODPUT_REACH
        ),
        *_refusals(seen),
        *(
            Row.alone(
                f"overload: first row p{part * 100:.0f} ms of pages taken in",
                percentile(first_row_ms, part),
            )
            for part in (0.5, 0.99)
            if first_row_ms
        ),
        Row.alone("overload: pages neither refused nor whole", sum(not p.whole for p in taken)),
        Row.alone("overload: pages not asked for, because too many were in flight", seen.left_out),
    ]
    if seen.pages and seen.answers:
        unanswered = sum(answer.code != REFUSED for answer in seen.answers)
        rows.append(
            Row(
                what="overload: probes not refused within a second, share",
                beside="pages of the load that were taken in",
                ours=unanswered / len(seen.answers),
                theirs=len(taken) / len(seen.pages),
            )
        )
    return rows


def _refusals(seen: Overloaded) -> list[Row]:
    """Of the probes, beside what the load saw, whose event loop is busy."""
    probes_ms = [answer.ms for answer in seen.answers if answer.code == REFUSED]
    load_ms = [(page.ended_s - page.asked_s) * 1000 for page in seen.pages if page.refused]
    if not (probes_ms and load_ms):
        return []
    rows = []
    for part in (0.5, 0.99):
        ms, by_load = percentile(probes_ms, part), percentile(load_ms, part)
        rows.append(
            Row(
                what=f"overload: refusal p{part * 100:.0f} ms, {len(probes_ms)} probes",
                beside="seen by the load itself",
                ours=ms,
                theirs=by_load,
                ratio=ms / by_load,
                reach=REFUSAL_REACH_MS,
                reached=ms <= REFUSAL_REACH_MS,
            )
        )
    return rows
