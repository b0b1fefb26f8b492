"""The seam between a slot's thread and the event loop: one bounded, ordered stream a page.

The thread puts and ends, the loop iterates. Putting never waits: a slow reader must not hold a
slot. What cannot be put any more raises `HandoverFull` in the thread.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX

MESSAGES_MAX = 2 + ROWS_MAX * (2 + ENTITIES_PER_ROW_MAX)
"""Messages that wait for a reader: the longest page a client may ask for, about 250 KB.

A reader that stands still costs this much memory, and no slot.
"""

T = TypeVar("T")


class HandoverFull(Exception):  # noqa: N818 - named as queue.Full is
    """The reader is more than a whole page behind."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Handover(Generic[T]):
    """Made in the event loop that reads it."""

    def __init__(self, messages_max: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: deque[T | _End] = deque()
        self._messages_max = messages_max
        self._arrived = asyncio.Event()

    def put(self, message: T) -> None:
        """Called in the slot's thread. Raises HandoverFull."""
        if len(self._messages) >= self._messages_max:
            raise HandoverFull(f"{self._messages_max} messages wait for their reader")
        self._hand_over(message)

    def end(self, error: BaseException | None = None) -> None:
        """Called in the slot's thread, once: iteration ends, with `error` if there is one."""
        self._hand_over(_End(error))

    def _hand_over(self, item: T | _End) -> None:
        self._messages.append(item)
        self._loop.call_soon_threadsafe(self._arrived.set)

    async def __aiter__(self) -> AsyncIterator[T]:
        """Every message in order. Raises what `end` was given."""
        while True:
            # Cleared before the look: what is put from here on wakes the wait below.
            self._arrived.clear()
            while self._messages:
                message = self._messages.popleft()
                if isinstance(message, _End):
                    if message.error is not None:
                        raise message.error
                    return
                yield message
            await self._arrived.wait()
