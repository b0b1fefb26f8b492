"""A state directory that cannot be used is told as input that is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pagecast.cli.exits import InputError


@contextmanager
def writable(state_dir: Path) -> Iterator[None]:
    """Raises InputError for what the operating system refuses."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the state directory {state_dir}: {error.strerror}",
            "name a folder that can be written to with --state-dir",
        ) from error
