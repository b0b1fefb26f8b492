"""Events per CPU-second of the systems, in turns.

Every system first ingests the warm-up events, and the state it then has is kept. In each round it
gets that state again and begins after the warm-up: all rounds and all systems do the same work on
the same histories.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pagecast.cli.bench.job import Job
from pagecast.cli.bench.systems import Stage, System, bare_spec
from pagecast.cli.bench.topic import Offsets, begin_at
from pagecast.cli.bench.valkey import save
from pagecast.cli.bench.watch import events_per_cpu_second, watch

UNCOUNTED_SHARE = 0.15
"""A round's first events, not counted: imports, first reads of histories, connections."""

EVENTS_PER_SECOND_LEAST = 1_000
"""A system slower than this, with a minute to spare, is taken for stuck."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the topic."""

    begin: Offsets
    end: Offsets

    @property
    def events(self) -> int:
        return sum(self.end.values()) - sum(self.begin.values())

    @property
    def seconds_max(self) -> float:
        return 60 + self.events / EVENTS_PER_SECOND_LEAST


Told = Callable[[int], None]
"""Takes how many events of a run are done."""


def warm_up(stage: Stage, system: System, part: Part, told: Told) -> None:
    """Ingests the warm-up events and keeps the state that the system then has."""
    folder = stage.folder / system.state
    folder.mkdir(parents=True)
    with system.store(folder) as url:
        with Job(system.spec(stage, folder, url)) as job:
            watch(
                stage.bootstrap, system.group, job, (part.begin, part.end), part.seconds_max, told
            )
        if url is not None:
            save(url)


def measure(stage: Stage, system: System, part: Part, told: Told) -> float:
    """Events per CPU-second of the system's process over a part that it has not seen."""
    folder = stage.folder / "round"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(stage.folder / system.state, folder)
    begin_at(stage.bootstrap, system.group, part.begin)
    with system.store(folder) as url, Job(system.spec(stage, folder, url)) as job:
        samples = watch(
            stage.bootstrap, system.group, job, (part.begin, part.end), part.seconds_max, told
        )
    return events_per_cpu_second(samples, int(part.events * UNCOUNTED_SHARE))


def measure_bare(stage: Stage, part: Part, told: Told) -> float:
    """The same of the bare loop, which has no state and reports its own CPU time."""
    spec = bare_spec(stage, part.begin, part.events, int(part.events * UNCOUNTED_SHARE))
    with Job(spec) as job:
        job.wait(part.seconds_max)
    told(part.events)
    measured = json.loads((stage.folder / "bare.json").read_text())
    return float(measured["events"] / measured["cpu_seconds"])


def warm_states(systems: Sequence[System]) -> list[System]:
    """One system of each state."""
    return list({system.state: system for system in reversed(systems)}.values())[::-1]
