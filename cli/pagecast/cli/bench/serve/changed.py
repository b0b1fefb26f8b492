"""From an event to a page that is made with it, while pages are served and events ingested."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pagecast.cli.bench.cpu import left_alone, measured_core, other_cores
from pagecast.cli.bench.events import EventsConfig
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.serve.asking import everybody_has_a_page
from pagecast.cli.bench.serve.closed_loop import peak_pages_per_second
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.one_server import RunningServer, one_server, ready_facts
from pagecast.cli.bench.serve.open_loop import OpenLoop
from pagecast.cli.bench.serve.page_shape import WHOLE
from pagecast.cli.bench.serve.prober import USERS, Changed, Prober
from pagecast.cli.bench.serve.world import World
from pagecast.cli.bench.systems import WORKER
from pagecast.cli.percentile import percentile
from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.clients import KafkaClient
from pagecast.eventlog.producer import EventProducer
from pagecast.featurestore.online.store import OnlineFeatures

LOAD = "pagecast.cli.bench.jobs.load"

EVENTS_PER_SECOND = 500
"""Ingested meanwhile."""

PEAK_SHARE = 0.5
"""Pages served meanwhile, as a share of the peak."""

TIMES_SECONDS = 4
"""Times a closed loop's seconds: long enough to follow some hundred events."""

PAUSE_S_MAX = 0.05
"""Random pause between a page and the next event, or they would fall into step with ingest's
polls."""

REACH_MS = 250.0
"""p99 from an event to the first row made with it."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What became of the events that were followed, and of the load meanwhile."""

    changes: Sequence[Changed]
    pages_per_second: float
    pages_failed: int
    late_ms_max: float
    """How late the other events were sent, at most."""


def changed_rows(world: World, config: ServeBenchConfig, say: Callable[[str], None]) -> list[Row]:
    """Server, ingest worker and broker are real; SQLite is between them. Raises CliError."""
    with ExitStack() as exits:
        broker = EmbeddedBroker(log=config.folder / "broker.log")
        with left_alone(measured_core()):
            exits.enter_context(broker)
        ensure_topics(broker.bootstrap_servers)
        return rows_of_changes(asyncio.run(_followed(world, config, broker.bootstrap_servers, say)))


async def _followed(
    world: World, config: ServeBenchConfig, bootstrap: str, say: Callable[[str], None]
) -> Followed:
    async with (
        one_server(world, config, bootstrap_servers=bootstrap) as server,
        _ingest(world, config, bootstrap),
    ):
        with ExitStack() as exits:
            store = OnlineFeatures.open(world.paths)
            exits.callback(store.close)
            producer = exits.enter_context(EventProducer(bootstrap, source="pagecast/bench"))
            say("histories through Kafka, and the peak of whole pages")
            prober = Prober(world, store, producer, config.prompt - 2)
            await prober.remember()
            await everybody_has_a_page(server.channels[0])
            peak = await peak_pages_per_second(server.channels, config.seconds, WHOLE)
            rate = PEAK_SHARE * peak
            say(f"events to pages, at {rate:.1f} pages and {EVENTS_PER_SECOND} events a second")
            return await _under_load(server, config, bootstrap, prober, rate)


@asynccontextmanager
async def _ingest(world: World, config: ServeBenchConfig, bootstrap: str) -> AsyncIterator[None]:
    """An ingest worker on the world's stores, once it has joined."""
    ready_file = config.folder / "ingest.ready"
    ready_file.unlink(missing_ok=True)
    spec = JobSpec(
        name="ingest",
        python=Path(sys.executable),
        program=WORKER,
        settings={
            "bootstrap_servers": bootstrap,
            "paths": str(world.paths.root),
            "kafka_client": KafkaClient.KAFKA_PYTHON.value,
            "group": "bench-serve",
            "ready_file": str(ready_file),
        },
        core=min(other_cores()),
        log=config.folder / "ingest.log",
    )
    with Job(spec) as job:
        await ready_facts(ready_file, job)
        yield
        job.check()


async def _under_load(
    server: RunningServer, config: ServeBenchConfig, bootstrap: str, prober: Prober, rate: float
) -> Followed:
    """Follows one event after the other for as long as the other events are sent."""
    result, begun_file = config.folder / "events.json", config.folder / "events.begun"
    begun_file.unlink(missing_ok=True)
    events = EventsConfig(events=round(EVENTS_PER_SECOND * TIMES_SECONDS * config.seconds))
    spec = JobSpec(
        name="events",
        python=Path(sys.executable),
        program=LOAD,
        settings={
            "bootstrap_servers": bootstrap,
            "rate": EVENTS_PER_SECOND,
            "events": asdict(events),
            "result": str(result),
            "begun_file": str(begun_file),
        },
        core=min(other_cores()),
        log=config.folder / "events.log",
    )
    load, chance = OpenLoop(shape=WHOLE), random.Random(1)
    changes: list[Changed] = []
    asking = asyncio.create_task(load.keep_asking(server.channels[0], rate))
    try:
        with Job(spec) as job:
            await ready_facts(begun_file, job)
            for _ in USERS:  # a history's prefix is kept from its first page on
                await prober.change(server.channels[0])
            while not (changes and job.ended()):
                changes.append(await prober.change(server.channels[0]))
                await asyncio.sleep(chance.uniform(0, PAUSE_S_MAX))
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    return Followed(
        changes=changes,
        pages_per_second=rate,
        pages_failed=load.failed + load.left_out,
        late_ms_max=json.loads(result.read_text())["late_ms_max"],
    )


def rows_of_changes(followed: Followed) -> list[Row]:
    """The whole way, the part of it until the history had the event, and what went on meanwhile."""
    ways = {
        "first row made with it": [change.first_row_ms for change in followed.changes],
        "history": [change.history_ms for change in followed.changes],
    }
    rows = []
    for name, measured_ms in ways.items():
        for part in (0.5, 0.99):
            ms = percentile(measured_ms, part)
            reach = REACH_MS if part > 0.9 and name != "history" else None
            rows.append(
                Row(
                    what=f"event to {name}, p{part * 100:.0f} ms, {len(measured_ms)} events",
                    beside="",
                    ours=ms,
                    reach=reach,
                    reached=None if reach is None else ms <= reach,
                )
            )
    return [
        *rows,
        Row.alone("event to page: pages/s asked for meanwhile", followed.pages_per_second),
        Row.alone("event to page: pages that failed or were left out", followed.pages_failed),
        Row.alone("event to page: latest of the other events, ms", followed.late_ms_max),
    ]
