"""A claimed training that meets a fault: `child_training.py FAULT STATE DATABASE ID ATTEMPT`.

The limits are those of the operating system, set when the training has come to the stage.
"""

import resource
import signal
import sys
from pathlib import Path

from pagecast.cli.claimed import run_claimed
from pagecast.cli.settings import load_settings
from pagecast.trainer.job import TrainProgress
from pagecast.trainer.service.claimed import Noting

MEMORY_LEFT = 48 * 1024 * 1024
"""Half of what the weights of `base` take."""

FILE_BYTES_MAX = 8 * 1024 * 1024
"""More than SQLite's write-ahead log grows to, less than the weights of `small`."""

_take = Noting.take


def no_memory_left() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_LEFT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def no_room_left() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


FAULTS = {"memory": ("read", no_memory_left), "disk": ("export", no_room_left)}


def meet(fault: str) -> None:
    stage, begin = FAULTS[fault]

    def take(self: Noting, at: TrainProgress) -> None:
        if at.stage == stage:
            begin()
        _take(self, at)

    Noting.take = take  # type: ignore[method-assign]


def main(fault: str, state: str, database: str, training_id: str, attempt: str) -> int:
    if fault:
        meet(fault)
    settings = load_settings(state_dir=state, database_url=database, trainer={"threads": 1})
    return run_claimed(settings, int(training_id), int(attempt))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
