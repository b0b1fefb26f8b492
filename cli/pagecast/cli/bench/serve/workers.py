"""Pages per second by the number of worker processes on one port."""

from collections.abc import Callable, Mapping

from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.closed_loop import PEAK_CLIENTS, peak_pages_per_second
from pagecast.cli.bench.serve.config import HYBRID_K, ServeBenchConfig
from pagecast.cli.bench.serve.one_server import one_server
from pagecast.cli.bench.serve.page_shape import WHOLE
from pagecast.cli.bench.serve.world import World

WORKERS = (1, 2)


async def worker_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """On all cores of the machine, shared with the clients; each client is a connection, and numpy
    has one thread, as workers are told."""
    pages_per_second: dict[int, float] = {}
    for workers in WORKERS:
        say(f"{workers} workers, {PEAK_CLIENTS} clients")
        server = one_server(world, config, PEAK_CLIENTS, alone=False, workers=workers)
        async with server as running:
            pages_per_second[workers] = await peak_pages_per_second(
                running.channels, config.seconds, WHOLE
            )
    return rows_of_workers(pages_per_second)


def rows_of_workers(pages_per_second: Mapping[int, float]) -> list[Row]:
    """Each number of workers beside one."""
    name = f"{PEAK_CLIENTS} clients, hybrid k={HYBRID_K}"
    return [
        Row.compared(
            f"pages/s, `--workers {workers}`, {name}", "one process", pages, pages_per_second[1]
        )
        for workers, pages in pages_per_second.items()
    ]
