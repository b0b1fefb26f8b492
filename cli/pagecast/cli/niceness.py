"""Lets other processes go first."""

import os
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
"""Niceness of the session. Linux shares cores among sessions first, and a process's own niceness
does not count against those of another session."""


def step_back(nice: int) -> None:
    """Takes this niceness, 0 to 19, and gives it to the process's session, if that is its own."""
    os.nice(nice)
    if nice and os.getsid(0) == os.getpid():
        with suppress(OSError):  # another system, or one without sessions' groups
            AUTOGROUP.write_text(str(nice))
