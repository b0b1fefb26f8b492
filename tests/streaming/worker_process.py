"""Ingest workers in processes of their own, to be stopped, continued and killed.

They are forked from a server that has imported Feast once, or every start would take seconds.
"""

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from eventlog.factories_eventlog import SESSION_TIMEOUT_MS
from factories_forking import forking, in_server

from pagecast.featurestore.online.feast_import import import_feast
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.failpoint import reach
from pagecast.streaming.ingest import run_worker

FILES = "files"
"""The failpoint before each file that gets its name or is removed: part files, positions."""


def _warm() -> None:
    """Imports what a worker imports when it opens its stores: half a second of CPU."""
    import_feast()

    import pagecast.featurestore.online.redis_store
    import pagecast.featurestore.online.sqlite_store  # noqa: F401


if in_server():
    _warm()


def _reach_files(event: str, _: Any) -> None:
    if event in ("os.rename", "os.remove"):
        reach(FILES)


def _work(config: IngestConfig, failpoint: str, log: Path, ready: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["PAGECAST_FAILPOINT"] = failpoint
    if failpoint.startswith(FILES):
        sys.addaudithook(_reach_files)
    run_worker(config, lambda _: ready.touch())


_LOOKING = threading.Lock()
"""Whoever starts a process looks at all others. Of two threads that look at an ended one at once,
the second would read nothing, which multiprocessing takes for exit code 255."""


class WorkerProcess:
    """A worker that works until it is stopped; small batches, so that there are many of them.

    `changes` are further fields of its `IngestConfig`.
    """

    def __init__(
        self,
        bootstrap: str,
        root: Path,
        group: str,
        *,
        failpoint: str = "",
        batch: int = 20,
        **changes: Any,
    ) -> None:
        name = f"{root.name}-{time.monotonic_ns()}"
        self.log, self._ready = root.parent / f"{name}.log", root.parent / f"{name}.ready"
        settings: dict[str, Any] = {
            "session_timeout_ms": SESSION_TIMEOUT_MS,
            "offline_flush_ms": 0,
            "batch_records_max": batch,
            **changes,
        }
        config = IngestConfig(
            bootstrap_servers=bootstrap, paths=StatePaths(root=root), group=group, **settings
        )
        self._process: BaseProcess = forking().Process(
            target=_work, args=(config, failpoint, self.log, self._ready)
        )
        with _LOOKING:
            self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """None while it runs; negative is the signal that killed it."""
        with _LOOKING:
            return self._process.exitcode

    @property
    def resident_bytes(self) -> int:
        """What it occupies of the machine's memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Returns when it has joined its group, or was killed at a failpoint before."""
        deadline = time.monotonic() + timeout_s
        while not self._ready.exists():
            if (code := self.exitcode) == -signal.SIGKILL:
                return
            assert code is None, f"exit code {code}: {self.log.read_text()}"
            assert time.monotonic() < deadline, "the worker does not join its group"
            time.sleep(0.02)

    def wait_stopped(self, timeout_s: float = 60.0) -> None:
        """Returns when the kernel has stopped it at a failpoint."""
        deadline = time.monotonic() + timeout_s
        while self._state() != "T":
            assert time.monotonic() < deadline, "the worker does not reach its failpoint"
            time.sleep(0.02)

    def wait_killed(self, timeout_s: float = 60.0) -> None:
        """Returns when it has died at a failpoint."""
        code = self._ended(timeout_s)
        assert code == -signal.SIGKILL, f"exit code {code}: {self.log.read_text()}"

    def is_killed_within(self, timeout_s: float) -> bool:
        """Whether it dies at a failpoint in this time; it must not die of anything else."""
        code = self._ended(timeout_s)
        assert code in (None, -signal.SIGKILL), f"exit code {code}: {self.log.read_text()}"
        return code is not None

    def wait_failed(self, timeout_s: float = 30.0) -> str:
        """Returns what it has said when it has ended with an error."""
        code, said = self._ended(timeout_s), self.log.read_text()
        assert code == 1, f"exit code {code}: {said}"
        return said

    def halt(self) -> None:
        """SIGSTOP: it holds what it holds, and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._ended(None)

    def stop(self, timeout_s: float = 30.0) -> None:
        """SIGTERM; it must end by itself, and well."""
        deadline = time.monotonic() + timeout_s
        # One that has just been started would die of it.
        while not self._catches(signal.SIGTERM) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._process.terminate()
        code = self._ended(timeout_s)
        if code is None:
            self.kill()
            raise AssertionError("the worker does not stop: " + self.log.read_text())
        assert code == 0, f"exit code {code}: {self.log.read_text()}"

    def _ended(self, timeout_s: float | None) -> int | None:
        """Its exit code, for which it waits so long at most."""
        wait([self._process.sentinel], timeout_s)
        return self.exitcode

    def _catches(self, number: signal.Signals) -> bool:
        """Whether it handles a signal; True if it has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except FileNotFoundError:
            return True
        [caught] = [line for line in status.splitlines() if line.startswith("SigCgt")]
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)

    def _state(self) -> str:
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]
