"""Writes files so that a crash or a full disk leaves nothing half-written."""

import fcntl
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

UNFINISHED = ".tmp"
"""Ending of a file that is being written; its name begins with a dot, so that no reader sees it."""

_numbers = itertools.count()


def write_whole(path: Path, content: pa.Buffer | bytes) -> None:
    """Writes a file that is visible whole or not at all; durable once its folder is synced.

    A file that has this content already is left alone. Raises OSError; nothing is left then.
    """
    if path.exists() and path.read_bytes() == memoryview(content).cast("B"):
        return
    with writing(path) as file:
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name only once all of it is on the disk."""
    unfinished, file = _create(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            unfinished.rename(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _create(path: Path) -> tuple[Path, BinaryIO]:
    """A new file that is locked until it is closed or its process is dead: `sweep` can tell."""
    while True:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.{next(_numbers)}{UNFINISHED}")
        file = unfinished.open("xb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if unfinished.exists():
            return unfinished, file
        # Swept away before it was locked.
        file.close()


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
