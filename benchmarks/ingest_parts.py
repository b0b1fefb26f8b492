"""What a small batch costs an ingest worker, part by part, without a broker.

    python benchmarks/ingest_parts.py --events 10 --batches 100

With little traffic a worker polls batches of a few events, which wait for what a batch costs beside
its events. Prints the thread's CPU by batch, on SQLite, and that of what is done once a second for
all batches, with 500 events: the triggers' counts and the offline log. ingest.md has the results.
"""

import argparse
import json
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pagecast.cli.bench.events import EventsConfig, make_events
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import INTERACTIONS, USER_PARTITIONS
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.streaming import batch
from pagecast.streaming.batch import BatchWriter
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.interactions import InteractionWriter
from pagecast.streaming.stores import Stores
from pagecast.streaming.triggers import Triggers
from pagecast.streaming.uncommitted import Uncommitted

EVENTS_BEFORE = 5_000
"""Ingested before measuring begins, so that histories exist."""

EVENTS_A_SECOND = 500

PARTS = (
    ("checks", batch, "_valid"),
    ("loads", InteractionWriter, "_load"),
    ("folds", InteractionWriter, "_apply"),
    ("counts popularity", Popularity, "add"),
    ("writes histories", OnlineFeatures, "write_histories"),
)


def clocked(cpu_s: defaultdict[str, float], name: str, owner: Any, method: str) -> None:
    """Adds up the method's CPU time from now on."""
    work = getattr(owner, method)

    def timed(*arguments: Any, **named: Any) -> Any:
        began_s = time.thread_time()
        try:
            return work(*arguments, **named)
        finally:
            cpu_s[name] += time.thread_time() - began_s

    setattr(owner, method, timed)


def records(count: int) -> list[Record]:
    """Records of all partitions, as a poll brings them."""
    offsets: Counter[int] = Counter()
    made = []
    for event in make_events(EventsConfig(events=count)):
        key = event.user_id.encode()
        partition = zlib.crc32(key) % USER_PARTITIONS
        value, at_ms = event.SerializeToString(), time.time_ns() // 1_000_000
        made.append(Record(INTERACTIONS, "t", partition, offsets[partition], key, value, [], at_ms))
        offsets[partition] += 1
    return made


def measure(folder: Path, events: int, batches: int) -> dict[str, float]:
    """Milliseconds of CPU, by part."""
    paths = StatePaths(root=folder).create()
    config = IngestConfig(bootstrap_servers="none:0", paths=paths)
    cpu_s = defaultdict[str, float](float)
    for part in PARTS:
        clocked(cpu_s, *part)
    waiting = records(EVENTS_BEFORE + events * batches)
    with Stores.open(config) as stores:
        uncommitted = Uncommitted(stores.offline, stores.eraser, config.offline_flush_ms)
        producer: Any = None  # nothing is refused
        writer = BatchWriter(stores, producer, uncommitted, config.fold)
        writer.ingest(waiting[:EVENTS_BEFORE])
        cpu_s.clear()
        for begin in range(EVENTS_BEFORE, len(waiting), events):
            began_s = time.thread_time()
            writer.ingest(waiting[begin : begin + events])
            cpu_s["a batch"] += time.thread_time() - began_s
        took = {name: seconds / batches * 1000 for name, seconds in cpu_s.items()}
        return took | once_a_second(stores, config, uncommitted)


def once_a_second(
    stores: Stores, config: IngestConfig, uncommitted: Uncommitted
) -> dict[str, float]:
    rows = uncommitted.rows
    triggers = Triggers(stores.engine, config.triggers)
    cpu_s: dict[str, list[float]] = defaultdict(list)
    for begin in range(0, len(rows) - EVENTS_A_SECOND, EVENTS_A_SECOND):
        portion: Sequence[Any] = sorted(rows[begin : begin + EVENTS_A_SECOND], key=lambda r: r[:3])
        began_s = time.thread_time()
        triggers.observe(portion, time.time_ns() // 1_000_000)
        counted_s = time.thread_time()
        stores.offline.append(portion)
        cpu_s["once a second: triggers"].append(counted_s - began_s)
        cpu_s["once a second: offline log"].append(time.thread_time() - counted_s)
    return {name: sum(each) / len(each) * 1000 for name, each in cpu_s.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        took = measure(Path(folder), options.events, options.batches)
    if options.json:
        print(json.dumps({"events": options.events, "cpu_ms": took}))
        return
    for name, ms in took.items():
        print(f"{name:28} {ms:7.2f} ms")


if __name__ == "__main__":
    main()
