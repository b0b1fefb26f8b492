"""The local stack as a command: nothing outlives it, however it ends."""

import signal
from pathlib import Path

import pytest
from cli.factories_cli import pagecast, running, start_up, wait_until_gone

from pagecast.cli.exits import ExitCode

pytestmark = pytest.mark.faults  # each starts five processes; test_commands ends one of four


def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    up = start_up(tmp_path)
    pids = up.pids()
    assert len(pids) == 5, "the command, the broker, the worker, the trainer, the server"
    assert running(pids) == pids
    assert up.end(signal.SIGINT) == ExitCode.INTERRUPTED
    assert running(pids) == []
    assert not up.record, "no record is left that other commands could believe"


def test_a_killed_stack_leaves_no_process(tmp_path: Path) -> None:
    up = start_up(tmp_path)
    pids = up.pids()
    up.end(signal.SIGKILL)
    assert wait_until_gone(pids) == []

    done = pagecast("page", "7", cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_RUNNING, "its record is not believed"
