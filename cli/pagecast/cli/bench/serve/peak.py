"""The most pages a second that a server makes: what loads are measured by."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc

from pagecast.cli.bench.serve.asking import AskedPage, ask, pages_per_second
from pagecast.cli.bench.serve.load import UNSERVED, PageShape
from pagecast.cli.exits import CommandError

PEAK_CLIENTS = 16
"""Of the closed loop whose pages a second are the peak: as many as there are slots."""

PAGES_EACH = 3
"""Pages of a client on average before a closed loop ends: its first ones begin all at once."""

TIMES_SECONDS_MAX = 6.0
"""Times the seconds it was told that a closed loop waits for them on a slow machine."""


async def peak_pages_per_second(
    channels: Sequence[grpc.aio.Channel],
    seconds: float,
    shape: PageShape,
    clients: int = PEAK_CLIENTS,
) -> float:
    """Of clients that ask for the next page as soon as they have one; each is a user of its own.

    Raises CommandError if a page is degraded, or ends otherwise than by a busy server, or if none
    comes.
    """
    loop = _ClosedLoop(channels=channels, clients=clients, seconds=seconds, shape=shape)
    await loop.warm_up()
    return await loop.run()


@dataclass(kw_only=True)
class _ClosedLoop:
    channels: Sequence[grpc.aio.Channel]
    clients: int
    seconds: float
    shape: PageShape
    pages: list[AskedPage] = field(default_factory=list)

    async def warm_up(self) -> None:
        """What is kept of histories, and pools of threads, are there from then on."""
        pages = [AskedPage(due_s=time.perf_counter()) for _ in range(self.clients)]
        await asyncio.gather(*(self._ask(number, page) for number, page in enumerate(pages)))
        _check(pages)

    async def run(self) -> float:
        """Whole pages a second until the first client has stopped."""
        began_s = time.perf_counter()
        stopped_s = await asyncio.gather(*(self._client(n, began_s) for n in range(self.clients)))
        _check(self.pages)
        peak = pages_per_second(self.pages, began_s, min(stopped_s), self.shape)
        if not peak:
            raise CommandError("no page was whole in time", "give it a quieter machine")
        return peak

    async def _client(self, number: int, began_s: float) -> float:
        while not self._is_over(time.perf_counter() - began_s):
            self.pages.append(page := AskedPage(due_s=time.perf_counter()))
            await self._ask(number, page)
        return time.perf_counter()

    async def _ask(self, number: int, page: AskedPage) -> None:
        await ask(self.channels[number % len(self.channels)], f"u{number}", self.shape, page)

    def _is_over(self, lasted_s: float) -> bool:
        enough = sum(page.whole for page in self.pages) >= PAGES_EACH * self.clients
        return lasted_s > self.seconds * (1.0 if enough else TIMES_SECONDS_MAX)


def _check(pages: Sequence[AskedPage]) -> None:
    if wrong := [p for p in pages if not p.whole and p.code not in UNSERVED]:
        how = wrong[0].degraded or wrong[0].code
        raise CommandError(f"{len(wrong)} pages of a closed loop ended with {how}", "read the log")
