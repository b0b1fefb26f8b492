"""Real processes of the command line, for its tests."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.command_process import run_command

from pagecast.cli.stack.record import RECORD_FILE

START_SECONDS_MAX = 150.0
END_SECONDS_MAX = 60.0
"""A worker alone has fifteen before it is killed, and a machine that runs all suites is slow."""


def pagecast(
    *arguments: str, cwd: Path, seconds_max: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return run_command(arguments, cwd, seconds_max)


def document(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON document of a command that succeeded: the only line of stdout."""
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Up:
    """A `pagecast up` that serves; `folder` is its working directory."""

    process: "subprocess.Popen[str]"
    folder: Path

    @property
    def record(self) -> dict[str, Any]:
        path = self.folder / ".pagecast" / "run" / RECORD_FILE
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def pids(self) -> list[int]:
        """Of the command and of everything it started."""
        return [self.process.pid, *self.record["pids"].values()]

    def end(self, number: signal.Signals) -> int:
        """Sends a signal to the command alone, returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(END_SECONDS_MAX)


def start_up(folder: Path, *arguments: str) -> Up:
    """Starts `pagecast up` and waits until its server answers."""
    log = (folder / "up.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "pagecast.cli", "up", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
        # A suite that was started in the background has Ctrl-C ignored, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    )
    log.close()
    up = Up(process, folder)
    until = time.monotonic() + START_SECONDS_MAX
    try:
        while not up.record.get("server_address"):
            assert process.poll() is None, (folder / "up.log").read_text()
            assert time.monotonic() < until, (folder / "up.log").read_text()
            time.sleep(0.05)
    except AssertionError:
        up.end(signal.SIGTERM)
        raise
    return up


def running(pids: list[int]) -> list[int]:
    """Those that still run; what has ended and waits for its parent to notice does not."""
    return [pid for pid in pids if _runs(pid)]


def wait_until_gone(pids: list[int], seconds_max: float = END_SECONDS_MAX) -> list[int]:
    """Those that still run when time is up."""
    until = time.monotonic() + seconds_max
    while (left := running(pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
