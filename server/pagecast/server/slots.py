"""Step 5 of the life of a page: how many pages are made at once and how many may wait.

Beyond that a page is refused at once: clients are better refused than kept waiting (docs/facts.md,
section 1). Lives in the event loop; nothing here waits in a thread.
"""

import asyncio
import time
from collections import deque

SLOTS_DEFAULT = 16
"""A core decodes a step of 16 pages about 1.5 times as fast as 16 steps; more than that would only
make every page slower, and cost memory."""

WAITING_DEFAULT = 64
"""At some tens of milliseconds a page the last in the queue waits a second or two; who comes later
would give up before the page does."""

RETRY_MS_MIN, RETRY_MS_MAX = 20, 2_000
"""What a refused client is told to wait at least, so that it does not come back at once, and at
most: the queue is empty again by then."""


class SlotsExhausted(Exception):  # noqa: N818 - it is an answer, not a fault
    """Every slot is taken, and as many pages wait as may."""


class Place:
    """One page's place: in the queue until `turn` returns, then in a slot, until `leave`."""

    def __init__(self, slots: "Slots") -> None:
        self._slots = slots
        self._its_turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taken_s = time.monotonic()
        self._began_s: float | None = None

    @property
    def waited_ms(self) -> float:
        """Time in the queue; still growing while the turn has not come."""
        until_s = time.monotonic() if self._began_s is None else self._began_s
        return (until_s - self._taken_s) * 1000

    async def turn(self, time_max_s: float) -> None:
        """Waits until a slot is free. Raises TimeoutError."""
        async with asyncio.timeout(time_max_s):
            await asyncio.shield(self._its_turn)

    def leave(self) -> None:
        """The slot, or the place in the queue, is free again; a second call does nothing."""
        self._slots._leave(self)

    def _begin(self) -> None:
        self._began_s = time.monotonic()
        if not self._its_turn.done():
            self._its_turn.set_result(None)


class Slots:
    """Counts places; who waits longest is next."""

    def __init__(self, slots_max: int = SLOTS_DEFAULT, waiting_max: int = WAITING_DEFAULT) -> None:
        if slots_max < 1 or waiting_max < 0:
            raise ValueError(f"{slots_max} slots and {waiting_max} waiting cannot be")
        self.slots_max = slots_max
        self.waiting_max = waiting_max
        self._in_slots: set[Place] = set()
        self._queue: deque[Place] = deque()
        self._page_s = 0.0
        self._left_s = 0.0

    @property
    def in_use(self) -> int:
        return len(self._in_slots)

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def retry_delay_ms(self) -> int:
        """The time in which half of a full queue gets its turn, at the pace of the last pages."""
        half_s = self._page_s * self.waiting_max / 2
        return round(min(max(half_s * 1000, RETRY_MS_MIN), RETRY_MS_MAX))

    def take(self) -> Place:
        """Never waits. Raises SlotsExhausted."""
        if self.in_use + self.waiting >= self.slots_max + self.waiting_max:
            raise SlotsExhausted(f"{self.slots_max} slots taken, {self.waiting} waiting")
        place = Place(self)
        self._queue.append(place)
        self._give()
        return place

    def _leave(self, place: Place) -> None:
        if place in self._in_slots:
            self._in_slots.remove(place)
            self._measure()
        elif place in self._queue:
            self._queue.remove(place)
        self._give()

    def _give(self) -> None:
        while self._queue and self.in_use < self.slots_max:
            place = self._queue.popleft()
            self._in_slots.add(place)
            place._begin()

    def _measure(self) -> None:
        """Seconds from one page's end to the next one's while others wait, smoothed."""
        now_s = time.monotonic()
        if self._queue and self._left_s:
            self._page_s += (now_s - self._left_s - self._page_s) / 8
        self._left_s = now_s
