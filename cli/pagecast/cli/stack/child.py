"""One process of the stack: start, readiness, the end of its log, stop."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagecast.cli.exits import CommandError, ExitCode
from pagecast.cli.stack.ready import announced
from pagecast.eventlog.broker import dies_with_parent

LOG_TAIL_LINES = 12
"""Enough for the error and what led to it; the rest is in the named file."""

LOG_TAIL_BYTES_MAX = 64 * 1024
"""A day's log is not read whole for its last lines."""

STOP_SECONDS_MAX = 15.0
"""A server drains for ten seconds; then it is killed."""

KILL_SECONDS_MAX = 5.0
"""After SIGKILL only the kernel needs time."""

_POLL_SECONDS = 0.02

_PASSED_ON = (ExitCode.BAD_INPUT, ExitCode.NOT_RUNNING, ExitCode.LOCKED)
"""What these codes say of a process is equally true of the stack."""


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """How to start one of our own commands as a child."""

    name: str
    arguments: Sequence[str]
    """After `pagecast`."""
    log: Path
    ready_file: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """On top of ours: what must not stand on a command line."""
    ready_seconds_max: float = 60.0
    """Importing Feast and onnxruntime takes seconds of CPU, which is long on a busy machine."""
    stop_seconds_max: float = STOP_SECONDS_MAX


class ChildEndedError(CommandError):
    """A process of the stack ended by itself."""

    def __init__(
        self, message: str, remedy: str, *, details: str = "", code: int = ExitCode.FAILED
    ) -> None:
        super().__init__(message, remedy, details=details)
        if code in _PASSED_ON:
            self.exit_code = ExitCode(code)


class Child:
    """A started process. Start it from the main thread: it dies with the thread that started it."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.facts: dict[str, Any] = {}
        spec.ready_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pagecast.cli", *spec.arguments]
        with spec.log.open("ab") as log:
            self._log_begins_at = log.tell()
            self._process = subprocess.Popen(
                dies_with_parent([*command, "--ready-file", str(spec.ready_file)]),
                stdin=subprocess.DEVNULL,
                env=os.environ | spec.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches only the parent, which stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Returns once it has announced itself; `facts` is what it said.

        Raises ChildEndedError, or CommandError if it takes too long.
        """
        until = time.monotonic() + self.spec.ready_seconds_max
        while (facts := announced(self.spec.ready_file)) is None:
            self.check()
            if time.monotonic() > until:
                raise CommandError(
                    f"{self.spec.name} was not ready in {self.spec.ready_seconds_max:.0f} s",
                    f"read {self.spec.log}",
                    details=self._log_tail(),
                )
            time.sleep(_POLL_SECONDS)
        self.facts = facts

    def check(self) -> None:
        """Raises ChildEndedError if it has ended."""
        if (code := self._process.poll()) is not None:
            raise ChildEndedError(
                f"{self.spec.name} ended with {_ending(code)}",
                f"read {self.spec.log}",
                details=self._log_tail(),
                code=code,
            )

    def stop(self) -> None:
        """Sends SIGTERM, and SIGKILL if it takes too long; returns when the process has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self.spec.stop_seconds_max)
            except subprocess.TimeoutExpired:
                pass
            finally:
                # A second Ctrl-C ends the wait, not the stop.
                self._kill()
        self.spec.ready_file.unlink(missing_ok=True)

    def _log_tail(self) -> str:
        # The same file has what ended earlier processes of this state directory.
        return log_tail(self.spec.log, self._log_begins_at)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(KILL_SECONDS_MAX)


def log_tail(log: Path, begins_at: int = 0) -> str:
    """The last lines of a log, none of them from before byte `begins_at`."""
    with log.open("rb") as file:
        file.seek(max(begins_at, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES_MAX))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-LOG_TAIL_LINES:])


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
