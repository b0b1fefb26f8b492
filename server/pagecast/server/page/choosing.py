"""Step 6 of the life of a page: who chooses its rows and entities, and where that happens.

A model's page is decoded in the decode loop's thread, beside others; a page by the baseline or by
popularity takes milliseconds and is made in one of the threads that prepare pages. Either way its
events reach the event loop in portions.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TypeVar

from pagecast.engine.batching.page_job import PageJob, PageSink, prepare
from pagecast.engine.bundles.served_model import ServedModel
from pagecast.engine.model import Model
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.engine.multi_stage.page import multi_stage_page
from pagecast.engine.page_events import PageEvent, RowEnded
from pagecast.engine.popular import popular_page
from pagecast.server.models.serving import Serving
from pagecast.server.page.basis import PageBasis
from pagecast.server.page.handover import EVENTS_MAX, Handover
from pagecast.server.page.options import decode_options
from pagecast.server.page.part import PagePart, PartEnded
from pagecast.server.page.request import PageRequest
from pagecast.server.page.slots import Place
from pagecast.server.resources import Resources
from pagecast.server.rpc.in_time import in_thread

Portions = AsyncIterator[Sequence[PageEvent]]
"""Events of a page, each portion with all that have arrived."""

T = TypeVar("T")

HURRY_WAITED_MS_MAX = 500.0
"""A page that waited longer for its slot makes its first row in turn: going first would save it
some 50 ms, and slow the others down just when pages wait for a slot."""


class Choosing:
    """The choices of one page, or part of one. Lives in the event loop; `close` in the end."""

    def __init__(
        self,
        page: PageRequest,
        serving: Serving,
        resources: Resources,
        place: Place,
        part: PagePart,
    ) -> None:
        self._page = page
        self._part = part
        self._serving = serving
        self._resources = resources
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._handover: Handover[PageEvent] = Handover(EVENTS_MAX)
        self._stopped = False
        self._decoding = False

    async def by_model(
        self, model: ServedModel, basis: PageBasis, forgotten: int | None
    ) -> Portions:
        """`forgotten` is passed to `prepare`. Raises EngineError, and Refusal once the page's time
        is over; the portions raise EngineError too, and HandoverFull if the reader is too slow."""
        if isinstance(model, MultiStageModel):
            return _at_once(await self._in_thread(self._multi_stage, model, basis))
        return self._decoded(await self._in_thread(self._job_of, model, basis, forgotten))

    async def by_popularity(self, basis: PageBasis) -> Portions:
        """Raises Refusal once the page's time is over."""
        return _at_once(await self._in_thread(self._popular, basis))

    def close(self) -> None:
        """Nobody wants the page any more: its slot is free within one decode step."""
        self._stopped = True
        # Before the job is submitted this frees the place; afterwards the end of the job does, in
        # the decode thread.
        if not self._decoding:
            self._place.leave()

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await in_thread(self._page.clock, self._resources.preparing, work, *arguments)

    def _multi_stage(self, model: MultiStageModel, basis: PageBasis) -> list[PageEvent]:
        """The baseline takes milliseconds for a whole page and no slot of the decode loop."""
        events = multi_stage_page(model, basis.prompt, basis.rules, decode_options(self._page))
        return list(self._of_part(events))

    def _popular(self, basis: PageBasis) -> list[PageEvent]:
        return list(self._of_part(popular_page(basis.rules, self._serving.scores_N)))

    def _job_of(self, model: Model, basis: PageBasis, forgotten: int | None) -> PageJob:
        page = self._page
        sink = PageSink(
            put=self._put,
            end=self._end,
            stopped=lambda: self._stopped or page.clock.is_over(),
            whole_rows=not page.entity_by_entity,
            in_a_hurry=self._place.waited_ms <= HURRY_WAITED_MS_MAX,
        )
        options = decode_options(page)
        return prepare(
            model,
            page.user_id,
            basis.prompt,
            basis.rules,
            options,
            self._resources.prefixes,
            sink,
            forgotten=forgotten,
        )

    async def _decoded(self, job: PageJob) -> Portions:
        self._decoding = True
        self._resources.decoding.submit(job)
        async for events in self._handover:
            yield events

    def _put(self, events: Sequence[PageEvent]) -> None:
        """In the decode loop's thread. Raises HandoverFull, and PartEnded after the part's end."""
        self._handover.put(events)
        if self._ends_part(events[-1]):
            raise PartEnded

    def _end(self, error: BaseException | None) -> None:
        """In the decode loop's thread: the slot is free before anyone hears of it."""
        self._loop.call_soon_threadsafe(self._place.leave)
        self._handover.end(None if isinstance(error, PartEnded) else error)

    def _of_part(self, events: Iterator[PageEvent]) -> Iterator[PageEvent]:
        for event in events:
            yield event
            if self._ends_part(event):
                return

    def _ends_part(self, event: PageEvent) -> bool:
        if not isinstance(event, RowEnded):
            return False
        rows = event.row_position + 1
        # After the last row of the page, the event that ends the page is still to come.
        return rows < self._page.rows and self._part.ends_with(rows)


async def _at_once(events: Sequence[PageEvent]) -> Portions:
    yield events
