"""Steps 1 to 3: real data, through Kafka, into the feature store."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pagecast.cli.catchup import wait_for_ingest
from pagecast.cli.data.files import Slices, WrittenFile, write_slices
from pagecast.cli.data.movielens import Shift
from pagecast.cli.data.source import ML_100K, MovieLens, read_movielens
from pagecast.cli.data.wheel import fetch
from pagecast.cli.demo.report import Ingested
from pagecast.cli.progress import progress_bar
from pagecast.cli.stack.local import LocalStack
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.streaming.progress import Positions
from pagecast.streaming.publish import publish_files

FIRST_SHARE = 0.9
"""Share of the timeline published before the training; the model is tested on the rest."""

INGEST_SECONDS_MAX = 600.0
"""A worker that is slower than this is broken, not slow: it needs about a minute."""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The data set and its two slices, as files of the interchange format."""

    data: MovieLens
    slices: Slices


def prepare(console: Console, source: Path, folder: Path) -> Timeline:
    """Fetches MovieLens 100K into `source`, if it is not there, and writes it to `folder`."""
    with console.status("  fetching MovieLens 100K"):
        downloaded = fetch(ML_100K, source)
    with console.status("  turning it into JSON lines"):
        data = read_movielens(source)
        shift = Shift.to_now(data, int(time.time()))
        slices = write_slices(data, shift, folder, FIRST_SHARE)
    console.print(
        f"  {'fetched' if downloaded else 'already here'}: {len(data.ratings):,} ratings of "
        f"{len(data.films):,} films by {len(data.ages):,} people, "
        f"shifted by {shift.weeks} weeks to end now"
    )
    for problem in data.skipped:
        console.print(f"  skipped {problem}", style="dim", markup=False)
    return Timeline(data=data, slices=slices)


def publish_slice(console: Console, producer: EventProducer, files: Sequence[WrittenFile]) -> None:
    """Publishes files through Kafka."""
    paths = [file.path for file in files]
    with progress_bar(console) as progress:
        size = sum(path.stat().st_size for path in paths)
        task = progress.add_task("publish", total=size, note="")
        publish_files(producer, paths, lambda read: progress.advance(task, read))
    lines = sum(file.lines for file in files)
    console.print(f"  {lines:,} messages acknowledged by the broker")


def ingest_slice(
    console: Console, stack: LocalStack, producer: EventProducer, group: str
) -> Ingested:
    """Waits until the worker has ingested all that the producer sent.

    Raises CommandError if it takes too long, ChildEndedError if the worker ends.
    """
    wanted = producer.acknowledged
    begin, before = time.perf_counter(), -1
    with progress_bar(console) as progress:
        total = _events(wanted)
        task = progress.add_task("ingest", total=total, note="")

        def look(committed: Positions) -> None:
            nonlocal before
            stack.check()
            done = _events(committed)
            before = done if before < 0 else before
            progress.update(task, completed=done)

        wait_for_ingest(stack.kafka, group, wanted, look, seconds_max=INGEST_SECONDS_MAX)
    return Ingested(events=total - before, seconds=time.perf_counter() - begin)


def _events(positions: Positions) -> int:
    return sum(offset for (topic, _), offset in positions.items() if topic == INTERACTIONS)
