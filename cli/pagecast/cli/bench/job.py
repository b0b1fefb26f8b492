"""A measured program: started on its core, watched, stopped."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pagecast.cli.bench.cpu import cpu_seconds, resident_bytes
from pagecast.cli.exits import CommandError
from pagecast.cli.stack.child import log_tail
from pagecast.eventlog.broker import dies_with_parent

STOP_SECONDS_MAX = 20.0
"""Time for a worker to commit, or a Quix application to make its last checkpoint; then it is
killed."""


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """Which program, and where."""

    name: str
    python: Path
    """The interpreter: this one, or that of an environment of its own."""
    program: str
    """A module, or the path of a file, that takes its settings as one JSON argument."""
    settings: Mapping[str, Any]
    core: int | None
    """The only core it may use; None: all cores of this process."""
    log: Path
    """Its output."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables on top of this process's."""

    @property
    def command(self) -> list[str]:
        program = [self.program] if self.program.endswith(".py") else ["-m", self.program]
        return [str(self.python), "-X", "utf8", *program, json.dumps(dict(self.settings))]


class Job:
    """A running program. It dies with the thread that started it."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        with spec.log.open("ab") as output:
            self._process = subprocess.Popen(
                dies_with_parent(spec.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **spec.environment},
            )
        if spec.core is not None:
            # Before it has threads, which inherit this.
            os.sched_setaffinity(self._process.pid, {spec.core})

    def cpu_seconds(self) -> float:
        """User and system time of the process and its threads. Raises CommandError."""
        self.check()
        return cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM. Raises CommandError."""
        self.check()
        return resident_bytes(self._process.pid)

    def check(self) -> None:
        """Raises CommandError if it has ended by itself."""
        if (code := self._process.poll()) is not None:
            raise self._failed(f"ended with {code}")

    def ended(self) -> bool:
        """Whether it has ended, and well. Raises CommandError if it ended with another code."""
        code = self._process.poll()
        if code:
            raise self._failed(f"ended with {code}")
        return code is not None

    def wait(self, seconds_max: float) -> None:
        """Returns when it has ended well. Raises CommandError."""
        try:
            code = self._process.wait(seconds_max)
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"did not end in {seconds_max:.0f} s") from error
        if code:
            raise self._failed(f"ended with {code}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if it takes too long; returns when it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _failed(self, how: str) -> CommandError:
        return CommandError(
            f"{self.spec.name} {how}", f"read {self.spec.log}", details=log_tail(self.spec.log)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
