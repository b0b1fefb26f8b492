"""The systems whose throughput is measured, and how each is started."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pagecast.v1.events_pb2
from pagecast.cli.bench.job import JobSpec
from pagecast.cli.bench.valkey import valkey_server
from pagecast.eventlog.clients import KafkaClient
from pagecast.eventlog.topics import INTERACTIONS

WORKER = "pagecast.cli.bench.jobs.worker"
BARE = "pagecast.cli.bench.jobs.bare"
QUIX = str(Path(__file__).parent / "jobs" / "quix.py")

PROTOS = Path(pagecast.v1.events_pb2.__file__).parents[2]
"""Where the generated stubs are imported from."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What every system is given."""

    bootstrap: str
    folder: Path
    """For the systems' state; removed in the end."""
    logs: Path
    """For their output; kept."""
    core: int
    """The one core that what is measured may use."""


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that takes events from the topic to an online store and an offline log."""

    name: str
    """As `--skip` knows it."""
    title: str
    state: str
    """Systems with the same name here share the state they start from."""
    valkey: bool
    """Whether its online store is Valkey."""
    spec: "Callable[[Stage, Path, str | None], JobSpec]"
    """How to start it on a state folder and, if it has one, a server's URL."""

    @property
    def group(self) -> str:
        return f"bench-{self.state}"

    @contextmanager
    def store(self, folder: Path) -> Iterator[str | None]:
        """Its Valkey while it runs, with what was saved in the folder; None without one."""
        if not self.valkey:
            yield None
            return
        with valkey_server(folder / "valkey") as url:
            yield url


def worker(
    name: str, title: str, *, valkey: bool = True, client: KafkaClient = KafkaClient.KAFKA_PYTHON
) -> System:
    """Pagecast's ingest worker."""
    state = "worker-valkey" if valkey else "worker-sqlite"

    def spec(stage: Stage, folder: Path, url: str | None) -> JobSpec:
        return worker_spec(stage, folder, url, name=name, group=f"bench-{state}", client=client)

    return System(name=name, title=title, state=state, valkey=valkey, spec=spec)


def worker_spec(
    stage: Stage,
    folder: Path,
    url: str | None,
    *,
    name: str,
    group: str,
    client: KafkaClient = KafkaClient.KAFKA_PYTHON,
    metrics_port: int | None = None,
) -> JobSpec:
    """How to start an ingest worker; it writes `ready.json` into the folder."""
    return JobSpec(
        name=name,
        python=Path(sys.executable),
        program=WORKER,
        settings={
            "bootstrap_servers": stage.bootstrap,
            "paths": str(folder / "state"),
            "online_store_url": url,
            "kafka_client": client.value,
            "group": group,
            "metrics_port": metrics_port,
            "ready_file": str(folder / "ready.json"),
        },
        core=stage.core,
        log=stage.logs / f"{name}.log",
    )


def quix(name: str, title: str, python: Path, how: str) -> System:
    """The same job with Quix Streams."""

    def spec(stage: Stage, folder: Path, url: str | None) -> JobSpec:
        return JobSpec(
            name=name,
            python=python,
            program=QUIX,
            settings={
                "bootstrap_servers": stage.bootstrap,
                "group": f"bench-{name}",
                "topic": INTERACTIONS,
                "redis_url": url,
                "state_dir": str(folder / "state"),
                "offline": str(folder / "offline"),
                "how": how,
            },
            core=stage.core,
            log=stage.logs / f"{name}.log",
            environment={"PYTHONPATH": str(PROTOS)},
        )

    return System(name=name, title=title, state=name, valkey=True, spec=spec)


def bare_spec(stage: Stage, begin: dict[int, int], events: int, uncounted: int) -> JobSpec:
    """How to start the bare loop; it writes `bare.json` into the stage's folder."""
    from pagecast.streaming.config import BATCH_RECORDS_MAX

    return JobSpec(
        name="bare",
        python=Path(sys.executable),
        program=BARE,
        settings={
            "bootstrap_servers": stage.bootstrap,
            "from": begin,
            "events": events,
            "uncounted": uncounted,
            "batch_records_max": BATCH_RECORDS_MAX,
            "result": str(stage.folder / "bare.json"),
        },
        core=stage.core,
        log=stage.logs / "bare.log",
    )
