"""What a page waits for, bounded by its clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import TypeVar

from pagecast.server.page.refusals import time_exceeded
from pagecast.server.page.request import PageClock

T = TypeVar("T")


@asynccontextmanager
async def in_time(clock: PageClock) -> AsyncIterator[None]:
    """Raises Refusal (DEADLINE_EXCEEDED) once the page's time is over."""
    try:
        async with asyncio.timeout(clock.remaining_s()):
            yield
    except TimeoutError as error:
        raise time_exceeded() from error


async def in_thread(
    clock: PageClock, threads: Executor, work: Callable[..., T], *arguments: object
) -> T:
    """Returns or raises what `work` does, or raises Refusal as `in_time` while `work` goes on."""
    async with in_time(clock):
        return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)
