"""Places at which a crash test stops or ends the process."""

import os
import signal
from collections import Counter

_VARIABLE = "PAGECAST_FAILPOINT"
_reached: Counter[str] = Counter()


def reach(name: str) -> None:
    """Sends this process the signal of PAGECAST_FAILPOINT, `NAME:COUNT:SIGNAL`, when it is time.

    That is at the COUNT-th call with this NAME; SIGNAL is SIGKILL or SIGSTOP.
    """
    wanted = os.environ.get(_VARIABLE)
    if not wanted:
        return
    _reached[name] += 1
    place, count, number = wanted.split(":")
    if place == name and int(count) == _reached[name]:
        os.kill(os.getpid(), signal.Signals[number])
