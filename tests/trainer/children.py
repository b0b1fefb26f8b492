"""Trainings in processes of their own: they can be killed, and there can be several of them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent

END_S_MAX = 300.0
"""A group whose member died would wait for it for half an hour."""


@contextmanager
def child(
    script: str, *arguments: object, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Its standard output is a pipe; what is left of it afterwards is killed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": "1",
        **(variables or {}),
    }
    command = [sys.executable, str(FOLDER / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: subprocess.Popen[str]) -> list[str]:
    """All it says until its end, which must be a good one."""
    told, _ = process.communicate(timeout=END_S_MAX)
    assert process.returncode == 0
    return told.splitlines()


def group(script: str, *arguments: object, count: int) -> list[list[str]]:
    """What each process of a group says, with the variables torchrun would set."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    shared = {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
    }
    with ExitStack() as stack:
        members = [
            stack.enter_context(child(script, *arguments, variables={**shared, "RANK": str(rank)}))
            for rank in range(count)
        ]
        return [lines(member) for member in members]
