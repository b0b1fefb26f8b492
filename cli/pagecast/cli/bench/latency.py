"""How long an event takes to reach the online store, at several rates.

Read from the worker's own histogram: from the moment an event was due, which is its record's
timestamp, until its batch was written.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pagecast.cli.bench.cpu import other_cores
from pagecast.cli.bench.events import BATCH_EVENTS, EventsConfig
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.quantiles import Buckets, quantile, scrape, since
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.systems import Stage, System, worker_spec
from pagecast.cli.bench.topic import Offsets, begin_at
from pagecast.cli.exits import CommandError

METRIC = "pagecast_event_to_feature_seconds"

LOAD = "pagecast.cli.bench.jobs.load"

RATES = (1_000, 2_000, 4_000, 8_000)
"""Events per second."""

WARM_SECONDS = 2
"""Seconds at the first rate before measuring begins, in which the worker loads the histories."""

DRAIN_SECONDS_MAX = 60.0
READY_SECONDS_MAX = 60.0
_LOOK_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Latency:
    """At one rate."""

    rate: int
    p50_s: float
    p99_s: float
    late_ms_max: float
    """How late the load itself was; the figures include it."""


def measure_latency(
    stage: Stage,
    system: System,
    end: Offsets,
    first: EventsConfig,
    seconds: float,
    told: Callable[[int], None],
) -> list[Latency]:
    """Measures one worker, each rate for `seconds`; `first` says where the events go on."""
    measured = []
    batch = first.first_batch
    with _worker(stage, system, end) as port:
        plan = [(RATES[0], WARM_SECONDS), *((rate, seconds) for rate in RATES)]
        for rate, lasts in plan:
            events = replace(first, events=max(1, int(rate * lasts)), first_batch=batch)
            measured.append(_at(stage, port, rate, events))
            told(rate)
            batch += 1 + events.events // BATCH_EVENTS
    return measured[1:]


@contextmanager
def _worker(stage: Stage, system: System, end: Offsets) -> Iterator[int]:
    """The port of the metrics of a worker that begins where the topic ends."""
    folder = stage.folder / "latency"
    shutil.copytree(stage.folder / system.state, folder)
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    begin_at(stage.bootstrap, system.group, end)
    with system.store(folder) as url:
        spec = worker_spec(stage, folder, url, name="latency", group=system.group, metrics_port=0)
        with Job(spec) as job:
            until = time.monotonic() + READY_SECONDS_MAX
            while not ready.exists():
                job.check()
                if time.monotonic() > until:
                    raise CommandError("the worker was not ready in time", f"read {spec.log}")
                time.sleep(_LOOK_S)
            yield json.loads(ready.read_text())["metrics_port"]


def _at(stage: Stage, port: int, rate: int, events: EventsConfig) -> Latency:
    before = scrape(port, METRIC)
    result = stage.folder / "load.json"
    spec = JobSpec(
        name="load",
        python=Path(sys.executable),
        program=LOAD,
        settings={
            "bootstrap_servers": stage.bootstrap,
            "rate": rate,
            "events": asdict(events),
            "result": str(result),
        },
        core=min(other_cores()),
        log=stage.logs / "load.log",
    )
    with Job(spec) as job:
        job.wait(DRAIN_SECONDS_MAX + events.events / rate)
    buckets = _drained(port, before, events.events)
    late_ms_max = json.loads(result.read_text())["late_ms_max"]
    return Latency(
        rate=rate,
        p50_s=quantile(buckets, 0.5),
        p99_s=quantile(buckets, 0.99),
        late_ms_max=late_ms_max,
    )


def _drained(port: int, before: Buckets, events: int) -> Buckets:
    """The buckets once all events are in them. Raises CommandError."""
    until = time.monotonic() + DRAIN_SECONDS_MAX
    while True:
        buckets = since(before, scrape(port, METRIC))
        if buckets and max(buckets.values()) >= events:
            return buckets
        if time.monotonic() > until:
            raise CommandError(f"{events} events were not ingested in {DRAIN_SECONDS_MAX:.0f} s")
        time.sleep(_LOOK_S)


def latency_rows(measured: Sequence[Latency]) -> list[Row]:
    """p50 and p99 at the first rate, and how both grow."""
    first = measured[0]
    rows = []
    for name in ("p50", "p99"):
        what = f"event_to_feature_seconds {name}, {{:,}}/s"
        ours = [at.p50_s if name == "p50" else at.p99_s for at in measured]
        rows.append(Row.alone(what.format(first.rate), ours[0]))
        rows += [
            Row.compared(what.format(at.rate), f"at {first.rate:,}/s", value, ours[0])
            for at, value in zip(measured[1:], ours[1:], strict=True)
        ]
    return rows
