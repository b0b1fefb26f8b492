"""Places at which a crash test ends the process."""

import os
import signal
from collections import Counter

_VARIABLE = "PAGECAST_FAILPOINT"
_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Kills this process without a word if PAGECAST_FAILPOINT is `NAME:COUNT` and it is time."""
    wanted = os.environ.get(_VARIABLE)
    if wanted is None:
        return
    _reached[name] += 1
    if wanted == f"{name}:{_reached[name]}":
        os.kill(os.getpid(), signal.SIGKILL)
