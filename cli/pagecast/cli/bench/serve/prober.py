"""Users who do something and then ask for pages: how long until a page is made with it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import grpc

from pagecast.cli.bench.serve.asking import AskedPage, ask
from pagecast.cli.bench.serve.config import HYBRID_K
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import World, history_event
from pagecast.cli.exits import CommandError
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.history.packing import peek_version
from pagecast.featurestore.online.store import OnlineFeatures

USERS = tuple(f"prober{number}" for number in range(8))
"""They take turns, so that no history grows much longer than the shape that is measured."""

LOOK_S = 0.005
"""Between two looks at a history, by the client, on another core than the server's."""

ARRIVE_SECONDS_MAX = 30.0
"""An event that is not in a history by then is taken for lost."""

ONE_ROW = PageShape(rows=1, exact_entities=HYBRID_K)
"""What is measured ends with the first row."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One event's way, in milliseconds from its sending."""

    history_ms: float
    """Until the user's history contained it."""
    first_row_ms: float
    """Until the first row of a page that had it in its prompt."""


class Prober:
    """Sends events of its users through Kafka; call `remember` first."""

    def __init__(
        self, world: World, store: OnlineFeatures, producer: EventProducer, events: int
    ) -> None:
        self._entities = len(world.snapshot.entities)
        self._store, self._producer, self._events = store, producer, events
        self._turns: Iterator[int] = count()

    async def remember(self) -> None:
        """Gives each user so many events. Raises CommandError if they do not arrive."""
        for user in USERS:
            for number in range(self._events):
                self._send(user, number)
        await asyncio.to_thread(self._producer.flush)
        for user in USERS:
            await self._arrived(user, self._events)

    async def change(self, channel: grpc.aio.Channel) -> Changed:
        """One more event of the next user, then a page. Raises CommandError if the event does not
        arrive, or the page is not made with it."""
        turn = next(self._turns)
        user, number = USERS[turn % len(USERS)], self._events + turn // len(USERS)
        began_s = time.perf_counter()
        self._send(user, number)
        await asyncio.to_thread(self._producer.flush)
        offset = await self._contained(user)
        history_ms = (time.perf_counter() - began_s) * 1000
        page = AskedPage(due_s=began_s)
        await ask(channel, ONE_ROW.request(user), page)
        if not page.whole or page.history_offset < offset or page.first_row_ms is None:
            how = page.degraded or page.code or f"history {page.history_offset} before {offset}"
            raise CommandError(f"a page was not made with its user's newest event: {how}")
        return Changed(history_ms=history_ms, first_row_ms=page.first_row_ms)

    async def _contained(self, user: str) -> int:
        """The next offset of the user's history once it contains all that was acknowledged.

        Only its version is read: unpacking it at every look would take time from the core that
        broker, ingest and clients share. Raises CommandError.
        """
        until_s = time.perf_counter() + ARRIVE_SECONDS_MAX
        while True:
            history, _ = self._store.read_packed(user)
            version = peek_version(history) if history is not None else None
            if version is not None:
                end = self._producer.acknowledged[INTERACTIONS, version.partition]
                if version.next_offset >= end:
                    return version.next_offset
            if time.perf_counter() > until_s:
                raise CommandError(f"events of {user} were not ingested", "read the worker's log")
            await asyncio.sleep(LOOK_S)

    def _send(self, user: str, number: int) -> None:
        event = history_event(user, number, self._entities)
        self._producer.send(INTERACTIONS, user, event)

    async def _arrived(self, user: str, steps: int) -> None:
        """Waits until the user's history has so many steps. Raises CommandError."""
        until_s = time.perf_counter() + ARRIVE_SECONDS_MAX
        while True:
            history = self._store.read_history(user)
            if history is not None and len(history.steps) >= steps:
                return
            if time.perf_counter() > until_s:
                raise CommandError(f"events of {user} were not ingested", "read the worker's log")
            await asyncio.sleep(LOOK_S)
