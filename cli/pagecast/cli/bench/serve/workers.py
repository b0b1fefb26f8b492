"""Pages a second by worker processes on one port."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.config import HYBRID_K, ServeBenchConfig
from pagecast.cli.bench.serve.load import address_of, channels_to
from pagecast.cli.bench.serve.open_loop import WHOLE
from pagecast.cli.bench.serve.peak import PEAK_CLIENTS, peak_pages_per_second
from pagecast.cli.bench.serve.served import server_job
from pagecast.cli.bench.serve.world import World
from pagecast.engine.manifest import DecodeWeights
from pagecast.server.worker_process import THREADS

WORKERS = (1, 2)


async def worker_rows(
    world: World, config: ServeBenchConfig, say: Callable[[str], None]
) -> list[Row]:
    """On all cores of the machine, which the clients share; each client is a connection, and
    numpy has one thread, as a worker is told."""
    pages_per_second: dict[int, float] = {}
    for workers in WORKERS:
        say(f"{workers} workers, {PEAK_CLIENTS} clients")
        spec, ready_file = server_job(DecodeWeights.FP32, world, config, workers=workers)
        with Job(replace(spec, core=None, environment=THREADS)) as job:
            address = await address_of(ready_file, job)
            async with channels_to(address, PEAK_CLIENTS) as channels:
                pages_per_second[workers] = await peak_pages_per_second(
                    channels, config.seconds, WHOLE
                )
            job.check()
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
