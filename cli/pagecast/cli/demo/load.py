"""Step 8: many pages by a few readers at once, as clients see them."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from queue import SimpleQueue

from pagecast.cli.demo.stage import Stage
from pagecast.cli.pages import Page
from pagecast.cli.progress import progress_bar

STREAMS = 2
"""Readers at once: fewer than the server has slots, so that nothing queues."""

PAGES = 200
"""Enough to leave two pages above the 99th percentile, within seconds."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Milliseconds from the request, by the clients' clock."""

    first_row_ms: tuple[float, ...]
    page_ms: tuple[float, ...]
    pages_per_second: float
    degraded: int
    """Pages that were not what they should have been, and said so themselves."""


def run_load(stage: Stage, users: Sequence[str], pages: int = PAGES) -> Load:
    """Streams `pages` pages of these users in turn. Raises CliError if one fails."""
    asked = [users[i % len(users)] for i in range(pages)]
    times: list[tuple[float, float]] = []
    degraded = 0
    readers = ThreadPoolExecutor(STREAMS)
    with ExitStack() as exits:
        # After an error or Ctrl-C, pages not yet asked for are not waited for.
        exits.callback(readers.shutdown, cancel_futures=True)
        page_of = _by_connections(stage, exits)
        with progress_bar(stage.console) as progress:
            task = progress.add_task("pages", total=pages, note="")
            begin = time.perf_counter()
            for page in readers.map(page_of, asked):
                times.append((page.first_row_ms, page.page_ms))
                degraded += bool(page.started.degraded_reason)
                progress.update(task, advance=1)
            seconds = time.perf_counter() - begin
    return Load(
        first_row_ms=tuple(first for first, _ in times),
        page_ms=tuple(whole for _, whole in times),
        pages_per_second=pages / seconds,
        degraded=degraded,
    )


def _by_connections(stage: Stage, exits: ExitStack) -> Callable[[str], Page]:
    """A page by any free connection, so that readers have one each, as they would elsewhere."""
    free: SimpleQueue[Stage] = SimpleQueue()
    for _ in range(STREAMS):
        free.put(replace(stage, client=exits.enter_context(stage.client.another())))

    def page(user_id: str) -> Page:
        own = free.get()
        try:
            return own.page(user_id)
        finally:
            free.put(own)

    return page
