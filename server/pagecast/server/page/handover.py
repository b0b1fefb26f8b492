"""The seam between the decode loop's thread and the event loop: one bounded stream per page.

The thread puts and ends, the loop iterates. Putting never waits: a slow reader must not hold a
slot. When there is no room, the thread gets `HandoverFull`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX

EVENTS_MAX = 1 + ROWS_MAX * (2 + ENTITIES_PER_ROW_MAX)
"""Events that wait for a reader: those of the longest page a client may ask for, about 200 KB.

A reader that has stopped reading costs this much memory, and no slot.
"""

T = TypeVar("T")


class HandoverFull(Exception):  # noqa: N818 - named as queue.Full is
    """The reader is more than a whole page behind."""


class Handover(Generic[T]):
    """Made in the event loop that reads it."""

    def __init__(self, events_max: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: deque[T] = deque()
        self._events_max = events_max
        self._arrived = asyncio.Event()
        self._ended = False
        self._error: BaseException | None = None

    def put(self, events: Sequence[T]) -> None:
        """Called in the thread. Raises HandoverFull, and then has put none of them."""
        if len(self._events) + len(events) > self._events_max:
            raise HandoverFull(f"{len(self._events)} events wait for their reader")
        self._events.extend(events)
        self._loop.call_soon_threadsafe(self._arrived.set)

    def end(self, error: BaseException | None = None) -> None:
        """Called in the thread, once: iteration ends, with `error` if there is one."""
        self._error = error
        self._ended = True
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def __aiter__(self) -> AsyncIterator[list[T]]:
        """All events in order, each time those that have arrived. Raises what `end` was given."""
        while True:
            # Cleared before looking, so that what is put from here on wakes the wait below.
            self._arrived.clear()
            ended = self._ended  # read before looking too: nothing is put after the end
            if self._events:
                yield [self._events.popleft() for _ in range(len(self._events))]
            elif ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                await self._arrived.wait()
