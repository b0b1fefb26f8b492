"""One stack per state directory: two would fold the same events into the same stores."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType

from pagecast.cli.exits import LockedError
from pagecast.cli.state_folder import writable

LOCK_FILE = "lock"

LOCK_SECONDS_MAX = 0.5
"""`is_held` holds the lock for a moment; whoever holds it longer is another stack."""

_RETRY_SECONDS = 0.02


class StateLock:
    """The operating system's lock on a file, which ends with its process, however that ends."""

    def __init__(self, run_folder: Path) -> None:
        self._path = run_folder / LOCK_FILE

    def __enter__(self) -> "StateLock":
        """Raises LockedError that names the holder, InputError if the folder cannot be written."""
        with writable(self._path.parent.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        until = time.monotonic() + LOCK_SECONDS_MAX
        while not _try(self._file):
            if time.monotonic() > until:
                holder = os.pread(self._file, 32, 0).decode() or "unknown"
                os.close(self._file)
                raise LockedError(
                    f"{self._path.parent.parent} is in use by process {holder}",
                    "stop it, or choose another folder with --state-dir",
                )
            time.sleep(_RETRY_SECONDS)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)


def is_held(run_folder: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        file = os.open(run_folder / LOCK_FILE, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try(file)
    finally:
        os.close(file)


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
