"""`pagecast bench ingest`: what an event costs, and how long it takes."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from pagecast.cli.bench import reading, throughput
from pagecast.cli.bench.cpu import measured_core, other_cores
from pagecast.cli.bench.events import BATCH_EVENTS, EventsConfig
from pagecast.cli.bench.latency import RATES, Latency, latency_rows, measure_latency
from pagecast.cli.bench.quix_environment import quix_python
from pagecast.cli.bench.rows import Row
from pagecast.cli.bench.systems import Stage, System, quix, worker
from pagecast.cli.bench.throughput import Part
from pagecast.cli.bench.throughput_rows import BARE, WORKER, throughput_rows
from pagecast.cli.bench.topic import Offsets, fill
from pagecast.cli.bench.valkey import valkey_server
from pagecast.cli.progress import progress_bar
from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.clients import KafkaClient
from pagecast.eventlog.topics import USER_PARTITIONS

PARTS = (BARE, "sqlite", "confluent", "quix", "quix-append", "latency", "reads")
"""What `--skip` knows. The worker with Valkey is always measured: other systems stand beside it."""


@dataclass(frozen=True, kw_only=True)
class IngestBenchConfig:
    """What to measure, and how much of it."""

    folder: Path
    """Keeps the Quix environment and the logs; all else made here is removed in the end."""
    events: int
    """Of a round."""
    warm_events: int
    """Ingested before measuring begins, so that windows are partly filled."""
    rounds: int
    """Turns of each system."""
    latency_seconds: float
    """At each rate."""
    users: int = 1_000
    """Whose events they are."""
    quick: bool = False
    """Fewer reads."""
    skip: frozenset[str] = frozenset()
    """Of `PARTS`."""

    def __post_init__(self) -> None:
        if min(self.events, self.warm_events, self.rounds, self.latency_seconds) <= 0:
            raise ValueError("events, warm_events, rounds and latency_seconds must be positive")
        if unknown := self.skip - set(PARTS):
            raise ValueError(f"skip: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")


@dataclass(frozen=True, kw_only=True)
class IngestFigures:
    """What was measured."""

    rows: Sequence[Row]
    rounds: dict[str, list[float]]
    """Events per CPU-second of each system, round by round."""
    late_ms_max: float | None
    """How late the latency rows' load was at most; their figures include it."""


def measure_ingest(config: IngestBenchConfig, console: Console) -> IngestFigures:
    """Runs a broker, and all systems in turns. Raises CliError."""
    systems = _systems(config, console)
    logs = config.folder.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    cores = os.sched_getaffinity(0)
    with ExitStack() as exits:
        exits.callback(os.sched_setaffinity, 0, cores)
        folder = Path(
            exits.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=config.folder))
        )
        core = measured_core()
        # Broker and stores inherit this, so what is measured has its core for itself.
        os.sched_setaffinity(0, other_cores())
        broker = exits.enter_context(EmbeddedBroker(log=logs / "broker.log"))
        ensure_topics(broker.bootstrap_servers)
        stage = Stage(
            bootstrap=broker.bootstrap_servers, folder=folder.absolute(), logs=logs, core=core
        )
        progress = exits.enter_context(progress_bar(console))
        return _Run(config, stage, systems, progress).run()


class _Run:
    """A run of the benchmark on its stage."""

    def __init__(
        self,
        config: IngestBenchConfig,
        stage: Stage,
        systems: Sequence[System],
        progress: Progress,
    ) -> None:
        self._config, self._stage, self._progress = config, stage, progress
        self._systems = systems

    def run(self) -> IngestFigures:
        config = self._config
        warm_config = EventsConfig(events=config.warm_events, users=config.users)
        warm = self._fill("warm-up events", warm_config, dict.fromkeys(range(USER_PARTITIONS), 0))
        for system in throughput.warm_states(self._systems):
            with self._task(f"warming {system.title}", warm.events) as told:
                throughput.warm_up(self._stage, system, warm, told)
        batch = 1 + config.warm_events // BATCH_EVENTS
        part_config = EventsConfig(events=config.events, users=config.users, first_batch=batch)
        part = self._fill("events", part_config, warm.end)
        rounds = self._rounds(part)
        rows = throughput_rows(rounds)
        late_ms_max = None
        if "latency" not in config.skip:
            batch += 1 + config.events // BATCH_EVENTS
            first = EventsConfig(events=1, users=config.users, first_batch=batch)
            latencies = self._latency(part, first)
            rows += latency_rows(latencies)
            late_ms_max = max(latency.late_ms_max for latency in latencies)
        if "reads" not in config.skip:
            rows += self._reads()
        return IngestFigures(rows=rows, rounds=rounds, late_ms_max=late_ms_max)

    def _fill(self, what: str, events: EventsConfig, begin: Offsets) -> Part:
        with self._task(f"producing {what}", events.events) as told:
            done = 0

            def produced(count: int) -> None:
                nonlocal done
                done += count
                told(done)

            return Part(begin=begin, end=fill(self._stage.bootstrap, events, produced))

    def _rounds(self, part: Part) -> dict[str, list[float]]:
        """Each system once a round, round after round."""
        rounds: dict[str, list[float]] = {}
        for number in range(1, self._config.rounds + 1):
            of = f"round {number}/{self._config.rounds}"
            if BARE not in self._config.skip:
                with self._task(f"{of}: a bare kafka-python loop", part.events) as told:
                    figure = throughput.measure_bare(self._stage, part, told)
                    rounds.setdefault(BARE, []).append(figure)
            for system in self._systems:
                with self._task(f"{of}: {system.title}", part.events) as told:
                    figure = throughput.measure(self._stage, system, part, told)
                    rounds.setdefault(system.name, []).append(figure)
        return rounds

    def _latency(self, part: Part, first: EventsConfig) -> list[Latency]:
        with self._task("event to feature", len(RATES) + 1) as told:
            return measure_latency(
                self._stage,
                self._systems[0],
                part.end,
                first,
                self._config.latency_seconds,
                told,
            )

    def _reads(self) -> list[Row]:
        folder = self._stage.folder / "reads"
        with self._task("history reads", 1) as told:
            with valkey_server(folder / "server") as url:
                rows = reading.measure(folder, url, quick=self._config.quick)
            told(1)
            return rows

    @contextmanager
    def _task(self, title: str, total: int) -> Iterator[Callable[[int], None]]:
        """A bar; call what is yielded with how much is done."""
        task = self._progress.add_task(title, total=total, note="")
        yield lambda done: self._progress.update(task, completed=done)
        self._progress.update(task, completed=total)


def _systems(config: IngestBenchConfig, console: Console) -> list[System]:
    """The worker with Valkey first, then those that were not skipped."""
    systems = [worker(WORKER, "the worker, Valkey")]
    if "confluent" not in config.skip:
        title = "the worker, Valkey, confluent-kafka"
        systems.append(worker("confluent", title, client=KafkaClient.CONFLUENT))
    if "sqlite" not in config.skip:
        systems.append(worker("sqlite", "the worker, SQLite", valkey=False))
    if not {"quix", "quix-append"} <= config.skip:
        python = quix_python(config.folder / "quix", console.print)
        peers = {"quix": "fold", "quix-append": "append"}
        systems += [
            quix(name, f"Quix Streams, {how}", python, how)
            for name, how in peers.items()
            if name not in config.skip
        ]
    return systems
