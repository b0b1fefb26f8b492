"""HomepageService.BrowseHomepage: a page that is decoded while a person scrolls through it.

Each call has three tasks: one reads what the client says, one publishes its actions, and one makes
the page, part by part. A part is the page carried on after its last row: it is made from what is
known by then, ends when the client must see more or has done something, and then frees its slot.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from pagecast.server.browse.acknowledging import publish
from pagecast.server.browse.browsed import Requests, check_actions, check_seen, wrong_begin
from pagecast.server.browse.browsing import BrowsedPart, Browsing
from pagecast.server.browse.reports import BrowseReports
from pagecast.server.metrics import Metrics
from pagecast.server.models.serving import Serving
from pagecast.server.page.making import Making
from pagecast.server.page.refusals import draining
from pagecast.server.page.request import PAGE_TIME_MAX_S, PageClock, PageRequest
from pagecast.server.page.slots import Place
from pagecast.server.resources import Resources
from pagecast.server.rpc.in_time import in_time
from pagecast.v1 import events_pb2, homepage_pb2

BROWSE_SECONDS_MAX = 600.0
"""A call's time: a client that browses for longer carries the page on in another call, and one that
left without a word is waited for no longer than this."""

OUTGOING_MAX = 8
"""Messages that wait for a client to read: beyond them the page waits, without a slot."""

Response = homepage_pb2.BrowseHomepageResponse


class Browse:
    """One call. `serving_of` and `take_place` are the service's; both raise Refusal.

    `take_place` is for the first part; those after it use `take_next`, which refuses none.
    """

    def __init__(
        self,
        page: PageRequest,
        browsing: Browsing,
        resources: Resources,
        metrics: Metrics,
        serving_of: Callable[[PageRequest], Awaitable[Serving]],
        take_place: Callable[[], Place],
        take_next: Callable[[], Place],
    ) -> None:
        self._first = page
        self._page = replace(page, clock=_clock_of_part(page))
        self._browsing = browsing
        self._resources = resources
        self._metrics = metrics
        self._serving_of = serving_of
        self._take_place, self._take_next = take_place, take_next
        self._outgoing: asyncio.Queue[Response | BaseException | None] = asyncio.Queue(OUTGOING_MAX)
        self._listening = True
        self._unpublished: asyncio.Queue[list[events_pb2.InteractionEvent] | None] = asyncio.Queue()
        self._reports = BrowseReports(resources, browsing)
        self._rows = browsing.rows_sent
        self._queued_ms = 0.0
        self._first_row_ms: float | None = None

    def cut(self) -> None:
        """The server stops: the call ends after the row in hand."""
        self._browsing.cut()

    async def responses(self, requests: Requests) -> AsyncGenerator[Response, None]:
        """The messages, each as soon as it is known. Raises Refusal."""
        reading = asyncio.create_task(self._or_told(self._read(requests)))
        publishing = asyncio.create_task(self._or_told(self._publish()))
        making = asyncio.create_task(self._or_told(self._make(publishing)))
        sequence = 0
        try:
            while (message := await self._outgoing.get()) is not None:
                if isinstance(message, BaseException):
                    raise message
                message.sequence = sequence
                yield message
                sequence += 1
                self._reports.rows_delivered += message.HasField("row_completed")
        finally:
            # Actions that were taken are published even if nobody is left to be told.
            self._unpublished.put_nowait(None)
            reading.cancel()
            making.cancel()
            await asyncio.gather(reading, making, return_exceptions=True)
            self._stop_listening()
            await publishing
            await self._reports.close()

    async def _or_told(self, work: Coroutine[Any, Any, None]) -> None:
        """An error of the task ends the call."""
        try:
            await work
        except Exception as error:
            await self._say(error)

    async def _say(self, message: Response | BaseException | None) -> None:
        """Waits for a client that does not read."""
        if self._listening:
            await self._outgoing.put(message)

    def _stop_listening(self) -> None:
        """Nobody reads any more: tasks that wait to say something go on."""
        self._listening = False
        while not self._outgoing.empty():
            self._outgoing.get_nowait()

    async def _read(self, requests: Requests) -> None:
        async for request in requests:
            match request.WhichOneof("event"):
                case "row_seen":
                    check_seen(request.row_seen.row_position, self._browsing)
                    self._browsing.see(request.row_seen.row_position)
                case "actions":
                    events = list(request.actions.events)
                    check_actions(events, self._browsing)
                    self._browsing.take(events)
                    self._unpublished.put_nowait(events)
                case _:
                    raise wrong_begin()
        self._browsing.close()

    async def _publish(self) -> None:
        """Publishes all that waits together; at most ACTIONS_MAX events wait."""
        taken, last = 0, False
        while not last:
            events = await self._unpublished.get()
            waiting = [events]
            while not self._unpublished.empty():
                waiting.append(self._unpublished.get_nowait())
            last = None in waiting
            together = [event for some in waiting if some is not None for event in some]
            if together:
                taken += len(together)
                reason = await publish(self._resources.publisher, together)
                told = homepage_pb2.ActionsTaken(actions=taken, unpublished_reason=reason)
                await self._say(Response(actions_taken=told))

    async def _make(self, publishing: asyncio.Task[None]) -> None:
        """6. The page, part by part, until it is complete; then what became of its actions."""
        while not await self._make_part():
            async with in_time(self._first.clock):
                await self._browsing.until_wanted(self._rows)
            if self._browsing.is_cut:
                raise draining()
            self._page, self._take_place = self._carried_on(), self._take_next
        self._unpublished.put_nowait(None)
        await publishing
        await self._say(None)

    async def _make_part(self) -> bool:
        """Returns whether this part completes the page."""
        is_first = self._page.carried_on is self._first.carried_on
        part = BrowsedPart(self._browsing, is_first=is_first)
        serving, place = await self._serving_of(self._page), self._take_place()
        making = Making(self._page, serving, self._resources, self._metrics, place, part)
        try:
            async with aclosing(making.responses()) as responses:
                async for response in responses:
                    await self._put(response, part, place)
        finally:
            making.close()
            self._queued_ms += place.waited_ms
            # 9. Off the page's path.
            self._reports.take(making)
        if (so_far := making.so_far) is not None:
            self._page = replace(self._page, carried_on=so_far)
        return making.ended

    def _carried_on(self) -> PageRequest:
        """The page as its next part is asked for: now, by the clock of the first request."""
        began = self._first
        at_ms = began.half.at_ms + round(began.clock.elapsed_ms())
        half = replace(began.half, at_ms=at_ms)
        return replace(self._page, clock=_clock_of_part(began), half=half)

    async def _put(
        self, response: homepage_pb2.StreamHomepageResponse, part: BrowsedPart, place: Place
    ) -> None:
        event = response.WhichOneof("event")
        assert event is not None, "a response always says something"
        if event == "row_completed":
            self._rows += 1
            self._browsing.rows_sent = self._rows
            self._measure(part)
        elif event == "page_completed":
            self._time(response.page_completed, place)
        await self._say(Response(**{event: getattr(response, event)}))

    def _measure(self, part: BrowsedPart) -> None:
        if self._first_row_ms is None:
            self._first_row_ms = self._first.clock.elapsed_ms()
        for waited_s in self._browsing.waits_ended(part.reflected):
            self._metrics.action_to_row.observe(waited_s)

    def _time(self, completed: homepage_pb2.PageCompleted, place: Place) -> None:
        """Puts the times of the call where the part has put its own."""
        if self._first_row_ms is not None:
            completed.time_to_first_row.FromMicroseconds(round(self._first_row_ms * 1000))
        completed.time_to_page.FromMicroseconds(round(self._first.clock.elapsed_ms() * 1000))
        queued_ms = self._queued_ms + place.waited_ms
        completed.time_in_queue.FromMicroseconds(round(queued_ms * 1000))


def _clock_of_part(page: PageRequest) -> PageClock:
    """From now on, within the call's time; a part holds a slot no longer than a page may."""
    return PageClock.start(page.clock.remaining_s(), PAGE_TIME_MAX_S)
