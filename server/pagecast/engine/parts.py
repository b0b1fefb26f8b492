"""How long the parts of some work took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Parts:
    """Seconds by part, in the order in which they were begun; for one thread at a time.

    CPU time is that of the part's thread: the rest of the time it waited, for others or the disk.
    """

    def __init__(self, rest: Callable[[float], None] = lambda _: None) -> None:
        """`rest` is called after every part that succeeds, in its thread, with its seconds: work
        in no hurry pauses there, which counts for no part. What it raises ends the work."""
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}
        self.rest = rest

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Work done inside counts for the part, whether it succeeds or not."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            took_s = time.perf_counter() - wall_s
            self.wall_s[name] = self.wall_s.get(name, 0.0) + took_s
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.thread_time() - cpu_s
        self.rest(took_s)
