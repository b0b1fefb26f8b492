"""What a page waits for, bounded by its clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pagecast.server.page_refusals import time_exceeded
from pagecast.server.request import PageClock


@asynccontextmanager
async def in_time(clock: PageClock) -> AsyncIterator[None]:
    """Raises Refusal (DEADLINE_EXCEEDED) once the page's time is over."""
    try:
        async with asyncio.timeout(clock.remaining_s()):
            yield
    except TimeoutError as error:
        raise time_exceeded() from error
