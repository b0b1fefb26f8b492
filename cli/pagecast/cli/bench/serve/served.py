"""Rows of pages through gRPC, from a server on a core of its own, for each form of the weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import grpc

from pagecast.cli.bench.rows import Better, Row
from pagecast.cli.bench.serve.asking import AskedPage, everybody_has_a_page, whole_page
from pagecast.cli.bench.serve.browsed import browsed_rows
from pagecast.cli.bench.serve.closed_loop import ClosedLoop
from pagecast.cli.bench.serve.config import HYBRID_K, WAYS, ServeBenchConfig
from pagecast.cli.bench.serve.one_server import RunningServer, one_server
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import World, remember
from pagecast.cli.percentile import percentile
from pagecast.engine.bundles.manifest import DecodeWeights

FALL_MIN = 0.85
"""Pages per CPU-second at 64 clients, by those at one client."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A closed loop, and what it cost the server."""

    pages: Sequence[AskedPage]
    cpu_seconds: float

    @property
    def pages_per_cpu_second(self) -> float:
        return sum(page.whole for page in self.pages) / self.cpu_seconds

    @property
    def first_row_ms(self) -> Sequence[float]:
        """Of whole pages."""
        return [ms for page in self.pages if page.whole and (ms := page.first_row_ms) is not None]

    @property
    def unserved(self) -> int:
        return sum(page.unserved for page in self.pages)


async def served_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """A server with each form of the weights, one after the other."""
    rows: list[Row] = []
    for weights in DecodeWeights:
        async with one_server(world, config, decode_weights=weights.value) as server:
            channel = server.channels[0]
            rows += await _first_rows(weights, world, config, channel)
            rows.append(await browsed_rows(weights.value, channel, config.rounds, config.entities))
            await everybody_has_a_page(channel)
            for way, exact_entities in ((WAYS["exact"], 10), (WAYS["hybrid"], HYBRID_K)):
                shape, name = PageShape(exact_entities=exact_entities), f"{way} {weights}"
                loads = {}
                for clients in config.clients:
                    say(f"{clients} clients, {name}")
                    loads[clients] = await _load(server, clients, config.seconds, shape)
                rows += rows_of_loads(name, loads)
    return rows


async def _load(server: RunningServer, clients: int, seconds: float, shape: PageShape) -> Loaded:
    loop = ClosedLoop(channels=server.channels, clients=clients, seconds=seconds, shape=shape)
    await loop.warm_up()
    before_s = server.job.cpu_seconds()
    await loop.run()
    return Loaded(pages=loop.pages, cpu_seconds=server.job.cpu_seconds() - before_s)


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
        measured_ms = []
        for number in range(max(5, config.rounds)):
            page = await whole_page(channel, shape.request(before(number), minutes=number))
            measured_ms.append((page.rows_s[0] - page.asked_s) * 1000)
        ms = median(measured_ms)
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


def rows_of_loads(name: str, loads: Mapping[int, Loaded]) -> list[Row]:
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
                percentile(loaded.first_row_ms, share),
                percentile(one.first_row_ms, share),
                reach=8.0 if (clients, share) == (16, 0.5) else None,
                better=Better.LOWER,
            )
            for share in (0.5, 0.99)
        ]
        if loaded.unserved:
            rows.append(Row.alone(f"refused or too late, {at}", loaded.unserved))
    return rows
