"""The local stack: broker, ingest worker, server and trainer, all living as long as one command."""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, TracebackType

from pagecast.cli.stack.child import STOP_SECONDS_MAX, Child, ChildEndedError, ChildSpec
from pagecast.cli.stack.lock import StateLock
from pagecast.cli.stack.record import StackRecord, remove_record
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.featurestore.state import StatePaths

ANY_PORT = 0

TRAINER_THREADS = 1
"""Threads of a training beside a server: the trainer's own default would take both cores of a small
machine away from pages."""

TRAINER_NICE = 10
"""Niceness of trainings beside a server, which gets nine tenths of a core that both want."""

TRAINER_STOP_S_MAX = 25.0
"""A training gets ten seconds to end by itself and five to be killed, and is then given back."""

NO_TRIGGERS = {
    f"PAGECAST_TRIGGERS__{name}": "0"
    for name in ("EVENTS", "NEW_ENTITIES", "DRIFT", "SCHEDULE_HOURS")
}
"""The settings that switch every trigger off."""


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """What the stack runs on."""

    paths: StatePaths
    """State directory; the stack holds its lock."""
    bootstrap_servers: Bootstrap | None = None
    """A Kafka to use; None starts the embedded broker."""
    database_url: str | None = None
    """Catalog and registry; None is SQLite in `paths`."""
    online_store_url: str | None = None
    """Redis or Valkey with histories and profiles; None is SQLite in `paths`."""
    server_port: int = ANY_PORT
    """TCP port of the RPCs."""
    workers: int | None = None
    """Processes of the server; None is what `[serve]` says."""
    allow_client_clock: bool = False
    """Lets clients name `requested_at`."""
    trainer_threads: int = TRAINER_THREADS
    """Threads of a training."""
    trainer_nice: int = TRAINER_NICE
    """Niceness of a training, 0 to 19."""
    triggers: bool = True
    """Whether ingest asks for trainings by itself."""
    fresh: bool = False
    """Removes what an earlier stack left in the state directory."""


@dataclass(kw_only=True)
class LocalStack:
    """Start the parts in order, from the main thread; the end of the `with` block stops them all.

    Nothing outlives the command: if it ends in any other way, the kernel kills the processes.
    """

    config: StackConfig
    kafka: Bootstrap = ""
    """The broker, once started; the stack's processes read `[kafka]` themselves."""
    _exits: ExitStack = field(default_factory=ExitStack)
    _children: list[Child] = field(default_factory=list)
    _broker: EmbeddedBroker | None = None

    def __enter__(self) -> "LocalStack":
        """Raises LockedError if another stack runs on this state directory."""
        paths = self.config.paths
        with ExitStack() as exits:
            exits.enter_context(StateLock(paths.run))
            if self.config.fresh:
                _wipe(paths)
            paths.create()
            exits.callback(remove_record, paths.run)
            self._exits = exits.pop_all()
        self.record = StackRecord(pid=os.getpid())
        self._note()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def start_broker(self) -> Bootstrap:
        """The broker to use, started if none was named. Raises EventLogError."""
        servers = self.config.bootstrap_servers
        if servers is None:
            broker = EmbeddedBroker(log=self._log("broker"))
            self._exits.callback(broker.stop)
            broker.start()
            self._broker, servers = broker, broker.bootstrap_servers
            self._note(pids={**self.record.pids, "broker": broker.pid or 0})
        self.kafka = servers
        self._note(bootstrap_servers=str(servers))
        return servers

    def start_ingest(self) -> None:
        """An ingest worker that has joined its group."""
        self._await(self._spawn_ingest())

    def start_server(self) -> str:
        """A server that answers; returns its address."""
        self._await(self._spawn("serve", self._server_arguments()))
        return self.record.server_address

    def start_services(self, *, trainer: bool) -> str:
        """Starts all at once, since each takes seconds to import; returns the server's address."""
        children = [self._spawn_ingest()]
        children += [self._spawn_trainer()] if trainer else []
        for child in (*children, self._spawn("serve", self._server_arguments())):
            self._await(child)
        return self.record.server_address

    def start_trainer(self) -> None:
        """Starts a trainer, which runs claimed trainings one after the other, at low priority."""
        self._await(self._spawn_trainer())

    def check(self) -> None:
        """Raises ChildEndedError if a process of the stack has ended by itself."""
        for child in self._children:
            child.check()
        if self._broker is not None and _has_ended(self._broker.pid):
            raise ChildEndedError("the broker ended", f"read {self._log('broker')}")

    def _spawn_ingest(self) -> Child:
        arguments = ["--metrics-port", "0"]
        if self._broker is not None:
            # The broker keeps nothing: each start means another log, as intended.
            arguments += ["--on-log-change", "restart"]
        return self._spawn("ingest", arguments, {} if self.config.triggers else NO_TRIGGERS)

    def _spawn_trainer(self) -> Child:
        config = self.config
        limits = ["--threads", str(config.trainer_threads), "--nice", str(config.trainer_nice)]
        return self._spawn("trainer", limits, stop_seconds_max=TRAINER_STOP_S_MAX)

    def _server_arguments(self) -> list[str]:
        arguments = ["--metrics-port", "0", "--port", str(self.config.server_port)]
        if self.config.allow_client_clock:
            arguments.append("--allow-client-clock")
        if self.config.workers is not None:
            arguments += ["--workers", str(self.config.workers)]
        return arguments

    def _spawn(
        self,
        command: str,
        arguments: list[str],
        environment: Mapping[str, str] = MappingProxyType({}),
        stop_seconds_max: float = STOP_SECONDS_MAX,
    ) -> Child:
        paths = self.config.paths
        common = ["--state-dir", str(paths.root)]
        common += ["--bootstrap-servers", self.record.bootstrap_servers]
        # Passed on even if empty: a stack is what its configuration says, not what the environment
        # or pagecast.toml would make of it.
        common += ["--database-url", self.config.database_url or ""]
        secret = {}
        if self.config.online_store_url is None:
            common += ["--online-store-url", ""]
        else:  # it may hold a password, and everybody can read a command line
            secret["PAGECAST_ONLINE_STORE_URL"] = self.config.online_store_url
        child = Child(
            ChildSpec(
                name=command,
                arguments=[command, *common, *arguments],
                environment={**environment, **secret},
                log=self._log(command),
                ready_file=paths.run / f"{command}.json",
                stop_seconds_max=stop_seconds_max,
            )
        )
        self._exits.callback(child.stop)
        self._children.append(child)
        self._note(pids={**self.record.pids, command: child.pid})
        return child

    def _await(self, child: Child) -> None:
        child.wait_ready()
        self._note(
            metrics={**self.record.metrics, **_metrics_of(child)},
            server_address=child.facts.get("address", self.record.server_address),
        )

    def _note(self, **changes: object) -> None:
        self.record = replace(self.record, **changes)  # type: ignore[arg-type]
        self.record.write(self.config.paths.run)

    def _log(self, name: str) -> Path:
        return self.config.paths.logs / f"{name}.log"


def _metrics_of(child: Child) -> dict[str, int]:
    """Empty for a trainer, whose figures are in the database."""
    port = child.facts.get("metrics_port")
    return {} if port is None else {child.spec.name: port}


def _wipe(paths: StatePaths) -> None:
    """Removes all but `run`, which holds the lock."""
    for path in paths.root.iterdir():
        if path != paths.run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _has_ended(pid: int | None) -> bool:
    """Looks without reaping the process, which is left to whoever started it."""
    if pid is None:
        return True
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
