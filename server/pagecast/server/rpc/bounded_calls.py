"""Calls of a store that may hang, in threads of their own, so that a hang costs nothing else.

A call that takes too long is given up, and while all of the threads hang, new calls fail at once.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class BoundedCalls:
    """Safe for threads. Call `close` in the end."""

    def __init__(self, name: str, threads: int) -> None:
        self._most = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._hanging: set[Future[Any]] = set()
        self._counting = threading.Lock()

    def of(self, call: Callable[[], T], time_max_s: float) -> T:
        """Returns or raises what `call` does; blocks for `time_max_s` at most.

        Raises TimeoutError, at once while every thread hangs in a call. A call that was given up
        may be carried out all the same.
        """
        future = self._begun(call)
        try:
            return future.result(time_max_s)
        finally:
            self._give_up(future)

    async def awaited(self, call: Callable[[], T], time_max_s: float) -> T:
        """As `of`, in an event loop; a caller that is cancelled has given up too."""
        future = self._begun(call)
        try:
            async with asyncio.timeout(time_max_s):
                return await asyncio.wrap_future(future)
        finally:
            self._give_up(future)

    def close(self) -> None:
        """Does not wait for a call that hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begun(self, call: Callable[[], T]) -> Future[T]:
        with self._counting:
            self._hanging = {hanging for hanging in self._hanging if not hanging.done()}
            if len(self._hanging) >= self._most:
                raise TimeoutError("it does not answer: every call of it hangs")
        return self._threads.submit(call)

    def _give_up(self, future: Future[Any]) -> None:
        if not (future.done() or future.cancel()):
            with self._counting:
                self._hanging.add(future)
