"""The process of a claimed training, as seen by its supervisor, which never waits for it."""

import math
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pagecast.eventlog.broker import dies_with_parent

KILL_S_MAX = 5.0
"""After SIGKILL only the kernel is waited for."""

_KILLING = (signal.SIGKILL, signal.SIGABRT)
"""How a process ends that the kernel, or a library, has no memory for."""


class TrainingProcess:
    """Started at once, from the main thread; its output is appended to the file `log`."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, stop_s: float
    ) -> None:
        self.log = log
        self._stop_s, self._kill_at_s = stop_s, math.inf
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                dies_with_parent(command),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches only the trainer, which ends its children in order.
                start_new_session=True,
            )

    @property
    def code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def ask_to_end(self) -> None:
        """SIGTERM, the first time."""
        if self._kill_at_s == math.inf and self.code is None:
            self._kill_at_s = time.monotonic() + self._stop_s
            self._process.terminate()

    def kill_if_overdue(self) -> None:
        """SIGKILL, if it was asked to end and has had its time."""
        if time.monotonic() >= self._kill_at_s:
            self._process.kill()

    def wait(self) -> None:
        """Waits until a process that was asked to end has; kills it if it takes too long."""
        try:
            self._process.wait(max(0.0, min(self._stop_s, self._kill_at_s - time.monotonic())))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(KILL_S_MAX)


def ending(code: int) -> str:
    """How a process has ended; for one that was killed, what that most often means."""
    if code >= 0:
        return f"ended with exit code {code}"
    told = f"ended by {signal.Signals(-code).name}"
    if -code in _KILLING:
        told += ": out of memory, if nobody has killed it; take a smaller profile, or more memory"
    return told
