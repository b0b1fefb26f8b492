"""Step 9 of the life of a browsed page: its records are made and reported beside it."""

import asyncio

from pagecast.rules.facts import ROWS_MAX
from pagecast.server.browse.browsing import Browsing
from pagecast.server.browse.records import BrowseRecords
from pagecast.server.page.making import Making
from pagecast.server.resources import Resources
from pagecast.v1 import events_pb2


class BrowseReports:
    """Of one call, in the order of its parts. Lives in the event loop; call `close` in the end.

    Does nothing without a reporter.
    """

    def __init__(self, resources: Resources, browsing: Browsing) -> None:
        self.rows_delivered = browsing.rows_sent
        """Rows of the page that the client has been sent, or had before the call."""
        self._browsing = browsing
        self._reporter, self._preparing = resources.reporter, resources.preparing
        self._loop = asyncio.get_running_loop()
        self._records = BrowseRecords()
        self._recording = asyncio.Lock()
        self._recordings: set[asyncio.Task[None]] = set()

    def take(self, making: Making) -> None:
        """A part has ended: its record is made in a thread."""
        if self._reporter is not None:
            task = asyncio.create_task(self._record(making))
            self._recordings.add(task)
            task.add_done_callback(self._recordings.discard)

    async def close(self) -> None:
        """The call is over: reports what is left, without rows that were decoded but not sent."""
        if self._reporter is None:
            return
        await asyncio.gather(*self._recordings)
        await self._loop.run_in_executor(self._preparing, self._browsing.is_forgotten)
        self._report(self._records.take_rest(self.rows_delivered))

    async def _record(self, making: Making) -> None:
        async with self._recording:
            part = await self._loop.run_in_executor(self._preparing, making.served, ROWS_MAX)
            if part is not None:
                self._records.add(part)
        self._report(self._records.take_sent(self.rows_delivered))

    def _report(self, records: list[events_pb2.PageServed]) -> None:
        if self._reporter is None or self._browsing.was_forgotten:
            return
        for record in records:
            self._reporter.report(record)
