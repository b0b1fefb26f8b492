"""Files that a command writes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pagecast.cli.exits import InputError


def check_folders(**files: Path | None) -> None:
    """Files by their options' names. Raises InputError before hours of work have nowhere to go."""
    for option, path in files.items():
        if path is None:
            continue
        folder = path.resolve().parent
        if not folder.is_dir():
            raise InputError(f"--{option}: {path.parent} is no folder", "make it first")
        if path.is_dir():
            raise InputError(f"--{option}: {path} is a folder", "name a file in it")
        if not os.access(folder, os.W_OK):
            raise InputError(f"--{option}: {path.parent} cannot be written to", "name another")


@contextmanager
def replacing(target: Path) -> Iterator[TextIO]:
    """A text file that takes `target`'s place once it is whole; otherwise nothing is left of it.

    Two processes may write one target at once: each has a file of its own, and one of them wins.
    What is written can be made again, so nothing waits for the disk (`featurestore.offline.files`
    does, for what cannot). Raises OSError.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        temporary.chmod(0o644)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
