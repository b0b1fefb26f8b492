"""Starts `child_fit.py`: trainings that can be killed, and trainings of several processes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).parent / "child_fit.py"


@contextmanager
def child(
    *arguments: object, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Its standard output is a pipe; what is left of it afterwards is killed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        **(variables or {}),
    }
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> list[str]:
    """All it says until its end, which must be a good one."""
    told, _ = process.communicate()
    assert process.returncode == 0
    return told.splitlines()
