"""The events of one stream on their way to Kafka: how many, and whether one has failed."""

import asyncio
import threading
from collections.abc import Callable


class InFlight:
    """Made in the event loop, and waited for there; begun and settled in threads."""

    def __init__(self, count: Callable[[bool], None]) -> None:
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._pending = 0
        self._waiter: tuple[int, asyncio.Future[None]] | None = None
        self.acknowledged = 0
        self.failure: BaseException | None = None
        self.stopped = False
        """Set when nobody waits for the answer any more: nothing more is sent."""

    def begin(self) -> None:
        with self._lock:
            self._pending += 1

    def withdraw(self) -> None:
        """The event was not sent after all."""
        with self._lock:
            self._pending -= 1
            self._wake()

    def settle(self, error: BaseException | None) -> None:
        self._count(error is None)
        with self._lock:
            self._pending -= 1
            if error is None:
                self.acknowledged += 1
            else:
                self.failure = self.failure or error
            self._wake()

    async def wait_until_at_most(self, pending: int) -> None:
        """Returns when at most `pending` are on their way, or one has failed."""
        with self._lock:
            if self._pending <= pending or self.failure is not None:
                return
            done = self._loop.create_future()
            self._waiter = (pending, done)
        try:
            await done
        finally:
            with self._lock:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is None:
            return
        pending, done = self._waiter
        if self._pending <= pending or self.failure is not None:
            self._waiter = None
            self._loop.call_soon_threadsafe(_finish, done)


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)
