"""Reads of a store that may hang, in threads of their own: it costs these threads and nothing else.

A read that takes too long is given up, and while all of the threads hang the next fail at once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class BoundedReads:
    """Safe for threads. Call `close` in the end."""

    def __init__(self, name: str, threads: int) -> None:
        self._most = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._hanging: set[Future[Any]] = set()
        self._counting = threading.Lock()

    def of(self, read: Callable[[], T], time_max_s: float) -> T:
        """What `read` returns, or raises; blocks for `time_max_s` at most.

        Raises TimeoutError, without having waited while every thread hangs in a read.
        """
        with self._counting:
            self._hanging = {hanging for hanging in self._hanging if not hanging.done()}
            if len(self._hanging) >= self._most:
                raise TimeoutError("it does not answer: every read of it hangs")
        future = self._threads.submit(read)
        try:
            return future.result(time_max_s)
        except TimeoutError:
            if not (future.done() or future.cancel()):
                with self._counting:
                    self._hanging.add(future)
            raise

    def close(self) -> None:
        """Does not wait for a read that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
