"""Step 5 of the life of a page: how many pages are made at once and how many may wait.

Beyond that a page is refused at once: clients are better refused than kept waiting (docs/facts.md,
section 1). Clients that wait take turns, and a full line makes room for a client with fewer pages
waiting than another. The first part of a browsed page is a page like any other; later parts wait
however full the line is. Lives in the event loop; nothing here waits in a thread.
"""

import asyncio
import time

from pagecast.server.page.waiting_line import WaitingLine

SLOTS_DEFAULT = 16
"""A core decodes a step of 16 pages two to three times as fast as 16 steps (benchmarks/serve.md);
more slots would only make every page slower, and cost memory."""

WAITING_DEFAULT = 64
"""The last in the queue waits for four generations of 16: some 14 s for pages of 20 rows of 10, two
or three for a screenful. Anybody later would give up before the page comes."""

RETRY_MS_MIN, RETRY_MS_MAX = 20, 2_000
"""What a refused client is told to wait: at least this, so that it does not come back at once, and
at most that, because nobody looks at an empty screen for longer."""


class SlotsExhausted(Exception):  # noqa: N818 - it is an answer, not a fault
    """Every slot is taken, and as many pages wait as may."""


class Place:
    """One page's place: in the queue until `turn` returns, then in a slot, until `leave`."""

    def __init__(self, slots: "Slots", client: str) -> None:
        self.client = client
        self._slots = slots
        self._its_turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._taken_s = time.monotonic()
        self._began_s: float | None = None

    @property
    def waited_ms(self) -> float:
        """Time in the queue; still growing while the turn has not come."""
        until_s = time.monotonic() if self._began_s is None else self._began_s
        return (until_s - self._taken_s) * 1000

    async def turn(self, time_max_s: float) -> None:
        """Waits until a slot is free. Raises TimeoutError, and SlotsExhausted if it had to make
        room in the line."""
        async with asyncio.timeout(time_max_s):
            has_slot = await asyncio.shield(self._its_turn)
        if not has_slot:
            raise SlotsExhausted("made room for a client who waits with less")

    def leave(self) -> None:
        """The slot, or the place in the queue, is free again; a second call does nothing."""
        self._slots._leave(self)

    def _begin(self) -> None:
        self._decided(has_slot=True)

    def _push_out(self) -> None:
        self._decided(has_slot=False)

    def _decided(self, *, has_slot: bool) -> None:
        self._began_s = time.monotonic()
        self._its_turn.set_result(has_slot)


class Slots:
    """Counts places, and gives them."""

    def __init__(self, slots_max: int = SLOTS_DEFAULT, waiting_max: int = WAITING_DEFAULT) -> None:
        if slots_max < 1 or waiting_max < 0:
            raise ValueError(f"{slots_max} slots and {waiting_max} waiting cannot be")
        self.slots_max = slots_max
        self.waiting_max = waiting_max
        self._in_slots: set[Place] = set()
        self._line: WaitingLine[Place] = WaitingLine()
        self._page_s = 0.0
        self._left_s = 0.0

    @property
    def in_use(self) -> int:
        return len(self._in_slots)

    @property
    def waiting(self) -> int:
        return len(self._line)

    @property
    def idle_s(self) -> float:
        """Seconds since the last page left its slot; 0 while one is in any."""
        return 0.0 if self._in_slots else time.monotonic() - self._left_s

    @property
    def retry_delay_ms(self) -> int:
        """The time in which half of a full queue gets its turn, at the pace of the last pages."""
        half_s = self._page_s * self.waiting_max / 2
        return round(min(max(half_s * 1000, RETRY_MS_MIN), RETRY_MS_MAX))

    def check_room(self, client: str) -> None:
        """Raises SlotsExhausted where `take` would, and takes nothing."""
        if self._is_full and not self._line.could_make_room(client):
            raise self._exhausted()

    def take(self, client: str) -> Place:
        """A place for a page of `client`. Never waits. Raises SlotsExhausted."""
        if self._is_full:
            pushed_out = self._line.make_room(client)
            if pushed_out is None:
                raise self._exhausted()
            pushed_out._push_out()
        return self._joined(client, stays=False)

    def take_on(self, client: str) -> Place:
        """A place for the next part of a page of `client` that somebody is already reading.

        It waits for its client's turn, however full the line is, makes room for nobody, and takes
        no room from pages that begin. The caller bounds how many there are.
        """
        return self._joined(client, stays=True)

    @property
    def _is_full(self) -> bool:
        return self.in_use + self._line.movable >= self.slots_max + self.waiting_max

    def _exhausted(self) -> SlotsExhausted:
        return SlotsExhausted(f"{self.slots_max} slots taken, {self.waiting} waiting")

    def _joined(self, client: str, *, stays: bool) -> Place:
        place = Place(self, client)
        self._line.join(client, place, stays=stays)
        self._give()
        return place

    def _leave(self, place: Place) -> None:
        if place in self._in_slots:
            self._in_slots.remove(place)
            self._measure()
        else:
            self._line.leave(place.client, place)
        self._give()

    def _give(self) -> None:
        while self._line and self.in_use < self.slots_max:
            place = self._line.next()
            self._in_slots.add(place)
            place._begin()

    def _measure(self) -> None:
        """Measures, smoothed, the seconds between the ends of two pages while others wait."""
        now_s = time.monotonic()
        if self._line and self._left_s:
            self._page_s += (now_s - self._left_s - self._page_s) / 8
        self._left_s = now_s
