"""How many events a system has done, and the CPU time it had used by then."""

import time
from collections.abc import Callable
from typing import NamedTuple

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.topic import Offsets
from pagecast.cli.exits import CommandError
from pagecast.eventlog.admin import Admin
from pagecast.eventlog.topics import INTERACTIONS

LOOK_S = 0.02
"""Between two looks: a commit is seen at most this much later, a hundredth of what is measured."""


class Sample(NamedTuple):
    """What was committed at which CPU time."""

    events: int
    cpu_seconds: float


def watch(
    bootstrap: str,
    group: str,
    job: Job,
    offsets: tuple[Offsets, Offsets],
    seconds_max: float,
    on_events: Callable[[int], None],
) -> list[Sample]:
    """A sample at every commit, from the first on, until all before `offsets[1]` is committed.

    Offsets are where the events begin and end. Raises CommandError if it takes too long.
    """
    begin, end = offsets
    samples: list[Sample] = []
    until = time.monotonic() + seconds_max
    with Admin(bootstrap) as admin:
        while True:
            committed = admin.committed(group)
            cpu_seconds = job.cpu_seconds()
            done = sum(
                min(committed.get((INTERACTIONS, p), 0), end[p]) - begin[p]
                for p in end
                if (INTERACTIONS, p) in committed
            )
            if done > (samples[-1].events if samples else 0):
                samples.append(Sample(done, cpu_seconds))
                on_events(done)
            if done >= sum(end.values()) - sum(begin.values()):
                return samples
            if time.monotonic() >= until:
                raise CommandError(
                    f"{job.spec.name} has done {done} events in {seconds_max:.0f} s",
                    f"read {job.spec.log}",
                )
            time.sleep(LOOK_S)


def events_per_cpu_second(samples: list[Sample], uncounted: int) -> float:
    """Between the first commit of at least `uncounted` events and the last one.

    Raises CommandError if there are no two such commits.
    """
    counted = [sample for sample in samples if sample.events >= uncounted]
    if len(counted) < 2 or counted[-1].cpu_seconds <= counted[0].cpu_seconds:
        raise CommandError("too few commits to measure between", "measure more events (--events)")
    first, last = counted[0], counted[-1]
    return (last.events - first.events) / (last.cpu_seconds - first.cpu_seconds)
