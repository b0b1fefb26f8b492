"""An unusable state directory is reported as wrong input."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pagecast.cli.exits import InputError


@contextmanager
def writable(state_dir: Path) -> Iterator[None]:
    """Raises InputError if the operating system refuses something."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the state directory {state_dir}: {error.strerror}",
            "name a folder that can be written to with --state-dir",
        ) from error
