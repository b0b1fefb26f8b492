"""A training's process, as its supervisor sees it."""

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pagecast.trainer.service.training_process import TrainingProcess, ending

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("here", flush=True)
time.sleep(600)
"""


def started(folder: Path, script: str, stop_s: float) -> TrainingProcess:
    log = folder / "logs" / "training-1.log"
    return TrainingProcess([sys.executable, "-c", script], {}, log, stop_s)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60.0
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.01)


def test_one_that_does_not_end_when_it_is_asked_to_is_killed_when_its_time_is_over(
    tmp_path: Path,
) -> None:
    process = started(tmp_path, DEAF, stop_s=0.2)
    eventually(lambda: "here" in process.log.read_text())
    process.kill_if_overdue()
    assert process.code is None, "nobody has asked it"
    process.ask_to_end()
    process.kill_if_overdue()
    assert process.code is None, "it has its time"
    time.sleep(0.3)
    process.ask_to_end()
    process.kill_if_overdue()
    eventually(lambda: process.code == -signal.SIGKILL)


def test_waiting_for_one_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    process = started(tmp_path, DEAF, stop_s=0.2)
    eventually(lambda: "here" in process.log.read_text())
    process.ask_to_end()
    process.wait()
    assert process.code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "told"),
    [(75, "ended with exit code 75"), (-signal.SIGTERM, "ended by SIGTERM")],
)
def test_how_it_ended_is_told(code: int, told: str) -> None:
    assert ending(code) == told


def test_one_that_was_killed_is_told_with_what_that_most_often_means() -> None:
    for number in (signal.SIGKILL, signal.SIGABRT):
        assert "out of memory" in ending(-number)
        assert "smaller profile" in ending(-number)
