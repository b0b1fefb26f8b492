"""An open loop: pages asked for at fixed moments, whatever becomes of them."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import grpc

from pagecast.cli.bench.serve.asking import AskedPage, ask
from pagecast.cli.bench.serve.page_shape import SHORT, PageShape
from pagecast.cli.bench.serve.world import VISITORS

AT_ONCE_MAX = 64
"""Pages in flight; beyond that the server is overloaded, and pages are left out."""

CHANCE_SEED = 1
"""Seed of the moments of visitors who know nothing of each other."""


def by_chance(pages: int, seconds: float) -> list[float]:
    """Random moments at which `pages` independent visitors come within `seconds`."""
    chance = random.Random(CHANCE_SEED)
    return sorted(chance.uniform(0, seconds) for _ in range(pages))


@dataclass(kw_only=True)
class OpenLoop:
    """Pages asked for, whatever becomes of them."""

    shape: PageShape = SHORT
    at_once_max: int = AT_ONCE_MAX
    pages: list[AskedPage] = field(default_factory=list)
    """In the order in which they were asked for."""
    left_out: int = 0

    async def keep_asking(self, channel: grpc.aio.Channel, rate: float) -> None:
        """Asks evenly until it is cancelled; then pages in flight end."""
        await self.ask_at([channel], (number / rate for number in count()))

    async def ask_at(
        self, channels: Sequence[grpc.aio.Channel], moments_s: Iterable[float]
    ) -> None:
        """Asks for a page at each moment from now on, through the channels in turn.

        Returns when the last page has ended; when cancelled, it asks for no more and lets pages in
        flight end.
        """
        asked: set[asyncio.Task[None]] = set()
        began_s = time.perf_counter()
        try:
            for number, moment_s in enumerate(moments_s):
                due_s = began_s + moment_s
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                if len(asked) >= self.at_once_max:
                    self.left_out += 1
                    continue
                self.pages.append(page := AskedPage(due_s=due_s))
                channel = channels[number % len(channels)]
                request = self.shape.request(VISITORS[number % len(VISITORS)])
                task = asyncio.create_task(ask(channel, request, page))
                asked.add(task)
                task.add_done_callback(asked.discard)
        finally:
            await asyncio.gather(*asked)

    @property
    def failed(self) -> int:
        """Pages that did not end well."""
        return sum(bool(page.ended_s) and not page.whole for page in self.pages)

    @property
    def started(self) -> list[tuple[float, str]]:
        """When each page started, and by which model, in the order of their starts."""
        return sorted((page.started_s, page.model) for page in self.pages if page.started_s)

    def first_rows_between(self, begin_s: float, end_s: float) -> list[float]:
        """Milliseconds until the first row, for pages that were due between two moments."""
        return [
            ms
            for page in self.pages
            if begin_s <= page.due_s < end_s and (ms := page.first_row_ms) is not None
        ]
