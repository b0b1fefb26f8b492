"""How fast time goes in a simulation."""

import threading
import time


class Pace:
    """Holds simulated time back to `speed` times the real one, from now on; a speed of 0 does not.

    Only beginnings of sessions are held back: within one, pages are asked for as fast as possible.
    """

    def __init__(self, speed: float, start_ms: int) -> None:
        self._speed, self._start_ms = speed, start_ms
        self._begin_s = time.monotonic()
        self._failed = threading.Event()

    @property
    def seconds(self) -> float:
        """Of real time since it began."""
        return time.monotonic() - self._begin_s

    def fail(self) -> None:
        """Ends all waiting. Safe with threads."""
        self._failed.set()

    def reached(self, at_ms: int) -> bool:
        """Waits for a moment of simulated time; False, at once, if the simulation has failed."""
        due_s = (at_ms - self._start_ms) / 1000 / self._speed if self._speed else 0.0
        return not self._failed.wait(max(0.0, due_s - self.seconds))
