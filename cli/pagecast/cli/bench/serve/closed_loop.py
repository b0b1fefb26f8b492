"""A closed loop: clients that ask for their next page as soon as they have one."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from pagecast.cli.bench.serve.asking import AskedPage, ask, pages_per_second
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import VISITORS
from pagecast.cli.exits import CommandError

PEAK_CLIENTS = 16
"""Clients of the closed loop whose pages per second are the peak: as many as there are slots."""

PAGES_EACH = 3
"""Pages per client, on average, before the peak is known: the first ones begin all at once."""

TIMES_SECONDS_MAX = 6.0
"""How many times its seconds a closed loop waits for these pages on a slow machine."""

PAUSE_S = 0.05
"""Pause of a client that was not served before it asks again: a refusal takes no time."""


@dataclass(kw_only=True)
class ClosedLoop:
    """Client n is visitor n, starting over after the last visitor. Warm it up first."""

    channels: Sequence[grpc.aio.Channel]
    clients: int
    seconds: float
    shape: PageShape
    pages_each: int = 0
    """Whole pages per client that it waits for; see `TIMES_SECONDS_MAX`."""
    pages: list[AskedPage] = field(default_factory=list)
    """In the order in which they were asked for."""

    async def warm_up(self) -> None:
        """Has the server make its thread pools and keep so many visitors' histories.
        Raises CommandError."""
        clients = range(min(self.clients, PEAK_CLIENTS))
        pages = await asyncio.gather(*(self._ask(number, AskedPage()) for number in clients))
        _check(pages)

    async def run(self) -> float:
        """Whole pages per second until the first client has stopped; returns when all have.

        Raises CommandError if a page is degraded, or fails for another reason than a busy server.
        """
        began_s = time.perf_counter()
        stopped_s = await asyncio.gather(*(self._client(n, began_s) for n in range(self.clients)))
        _check(self.pages)
        return pages_per_second(self.pages, began_s, min(stopped_s), self.shape)

    async def _client(self, number: int, began_s: float) -> float:
        while not self._is_over(time.perf_counter() - began_s):
            self.pages.append(page := AskedPage())
            await self._ask(number, page)
            if page.unserved:
                await asyncio.sleep(PAUSE_S)
        return time.perf_counter()

    async def _ask(self, number: int, page: AskedPage) -> AskedPage:
        channel = self.channels[number % len(self.channels)]
        await ask(channel, self.shape.request(VISITORS[number % len(VISITORS)]), page)
        return page

    def _is_over(self, lasted_s: float) -> bool:
        enough = sum(page.whole for page in self.pages) >= self.pages_each * self.clients
        late = lasted_s > self.seconds * (1.0 if enough else TIMES_SECONDS_MAX)
        return late or any(page.fault for page in self.pages)


def _check(pages: Sequence[AskedPage]) -> None:
    if faults := [fault for page in pages if (fault := page.fault)]:
        how = f"{len(faults)} pages of a closed loop ended with {faults[0]}"
        raise CommandError(how, "read the server's log")


async def peak_pages_per_second(
    channels: Sequence[grpc.aio.Channel],
    seconds: float,
    shape: PageShape,
    clients: int = PEAK_CLIENTS,
) -> float:
    """The most pages per second that a server makes, by which loads are measured.

    Raises CommandError as the loop does, or if no page came in time.
    """
    loop = ClosedLoop(
        channels=channels, clients=clients, seconds=seconds, shape=shape, pages_each=PAGES_EACH
    )
    await loop.warm_up()
    if not (peak := await loop.run()):
        raise CommandError("no page was whole in time", "give it a quieter machine")
    return peak
