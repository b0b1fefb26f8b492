"""How files are written, so that a crash or a full disk leaves nothing that is half there."""

import fcntl
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

UNFINISHED = ".tmp"
"""Ending of a file that is being written; its name begins with a dot, so that no reader sees it."""

_numbers = itertools.count()


def write_whole(path: Path, content: pa.Buffer | bytes) -> None:
    """Writes a file that is visible whole or not at all; durable once its folder is synced.

    A file that has this content already is left alone. Raises OSError; nothing is left then.
    """
    if path.exists() and path.read_bytes() == memoryview(content):
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{next(_numbers)}{UNFINISHED}")
    try:
        with unfinished.open("xb") as file:
            # Held until the file has its name or the process is dead: `sweep` can tell.
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Makes names durable: of new files, and of renamed and removed ones."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Removes what dead processes left unfinished below `folder`."""
    for path in folder.rglob(f".*{UNFINISHED}"):
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Waits until nobody else holds `lock`; the kernel frees it if the process dies."""
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
