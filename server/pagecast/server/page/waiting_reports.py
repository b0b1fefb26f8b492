"""Served pages that wait to be reported: bounded, and kept until they are in the event log."""

import threading
from collections import deque
from itertools import islice

from pagecast.v1 import events_pb2


class WaitingReports:
    """A queue of pages; safe for threads."""

    def __init__(self, pages_max: int, bytes_max: int) -> None:
        self._pages_max, self._bytes_max = pages_max, bytes_max
        self._pages: deque[tuple[events_pb2.PageServed, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._pages)

    def put(self, page: events_pb2.PageServed) -> bool:
        """Never waits; returns False if there is no room."""
        size = page.ByteSize()
        with self._changed:
            if len(self._pages) >= self._pages_max or self._bytes + size > self._bytes_max:
                return False
            self._pages.append((page, size))
            self._bytes += size
            self._changed.notify()
        return True

    def first(self, pages_max: int, timeout_s: float) -> list[events_pb2.PageServed]:
        """The oldest ones, which stay in the queue; waits up to `timeout_s` for one."""
        with self._changed:
            self._changed.wait_for(lambda: self._pages, timeout_s)
            return [page for page, _ in islice(self._pages, pages_max)]

    def drop(self, count: int) -> None:
        """Drops the oldest ones."""
        with self._changed:
            self._bytes -= sum(self._pages.popleft()[1] for _ in range(count))
