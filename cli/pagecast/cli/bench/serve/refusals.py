"""How long a refusal takes, by a client of its own (`jobs.probe`)."""

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


@asynccontextmanager
async def probing(
    address: str, config: ServeBenchConfig, shape: PageShape
) -> AsyncIterator[Probed]:
    """Probes while the block runs, from the moment it begins; `Probed` is filled after it."""
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
