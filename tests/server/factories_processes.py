"""A server as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.factories_server import House

SCRIPT = Path(__file__).parent / "server_process.py"


@contextmanager
def server_process(house: House) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """The process, where it listens, and its metrics port."""
    command = [sys.executable, str(SCRIPT), str(house.paths.root)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if line.startswith("ready "):
                    break
            _, target, metrics_port = line.split()
            yield process, target, int(metrics_port)
        finally:
            process.kill()
