"""How long a refusal takes, measured by a client of its own (`jobs.probe`)."""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pagecast.cli.bench.cpu import other_cores
from pagecast.cli.bench.job import Job, JobSpec
from pagecast.cli.bench.serve.config import ServeBenchConfig
from pagecast.cli.bench.serve.one_server import ready_facts
from pagecast.cli.bench.serve.page_shape import PageShape

PROBE = "pagecast.cli.bench.jobs.probe"

USER_OF_PROBES = "u0"

REFUSED = "RESOURCE_EXHAUSTED"

PROBES_PER_SECOND_MAX = 20.0
"""Enough for a p99 in ten seconds."""

PROBES_SHARE_MAX = 0.5
"""Share of all that is asked for, if that is little: probes must not be the overload."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """To one probe."""

    asked_s: float
    ms: float
    code: str


@dataclass(kw_only=True)
class Probed:
    """What the probes saw; filled in when they have ended."""

    answers: list[Answer] = field(default_factory=list)

    def between(self, begin_s: float, end_s: float) -> Sequence[Answer]:
        return [answer for answer in self.answers if begin_s <= answer.asked_s < end_s]


def probes_per_second(asked_per_second: float) -> float:
    """How many of the pages asked for per second are the probes'."""
    return min(PROBES_PER_SECOND_MAX, PROBES_SHARE_MAX * asked_per_second)


@asynccontextmanager
async def probing(
    address: str, config: ServeBenchConfig, shape: PageShape, per_second: float
) -> AsyncIterator[Probed]:
    """Probes while the block runs; `Probed` is filled when it ends."""
    result = config.folder / "probe.json"
    ready_file = config.folder / "probe.ready"
    for path in (result, ready_file):
        path.unlink(missing_ok=True)
    spec = JobSpec(
        name="probe",
        python=Path(sys.executable),
        program=PROBE,
        settings={
            "address": address,
            "ready_file": str(ready_file),
            "result": str(result),
            "request": {"user_id": USER_OF_PROBES, **asdict(shape)},
            "per_second": per_second,
        },
        core=min(other_cores()),
        log=config.folder / "probe.log",
    )
    probed = Probed()
    with Job(spec) as job:
        await ready_facts(ready_file, job)
        yield probed
    probed.answers = [
        Answer(asked_s=asked_s, ms=ms, code=code)
        for asked_s, ms, code in json.loads(result.read_text())
    ]
