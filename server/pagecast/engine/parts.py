"""How long the parts of some work took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Parts:
    """Seconds by part, in the order in which they were begun; for one thread at a time.

    Of the CPU those of the part's thread: what is beyond them it waited, for others or the disk.
    """

    def __init__(self) -> None:
        self.wall_s: dict[str, float] = {}
        self.cpu_s: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is done inside counts for the part, whether it succeeds or not."""
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.wall_s[name] = self.wall_s.get(name, 0.0) + time.perf_counter() - wall_s
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + time.thread_time() - cpu_s
