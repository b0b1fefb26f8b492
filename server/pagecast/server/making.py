"""Steps 3 to 7 of the life of a page: from a place in the queue to the messages of the stream.

What takes Python a millisecond or more (3, 4, and the tokens of the prompt) happens in a thread;
the page is decoded in the decode loop's; here, in the event loop, its events become messages.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import TypeVar

import grpc
import structlog

from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.engine.multi_stage.page import multi_stage_page
from pagecast.engine.page_events import PageEvent, RowEnded
from pagecast.engine.page_job import PageJob, PageSink, prepare
from pagecast.engine.popular import popular_page
from pagecast.featurestore.prompt import build_prompt
from pagecast.rules.page_rules import compile_rules
from pagecast.server.asked import unknown_candidates
from pagecast.server.basis import PageBasis
from pagecast.server.carried_on import as_of_its_moment, standing_rows
from pagecast.server.errors import Refusal
from pagecast.server.facts import facts_of
from pagecast.server.handover import EVENTS_MAX, Handover, HandoverFull
from pagecast.server.metrics import Metrics
from pagecast.server.options import decode_options
from pagecast.server.part import WHOLE_PAGE, PagePart, PartEnded, Past
from pagecast.server.request import PageRequest
from pagecast.server.resources import Resources
from pagecast.server.serving import Serving
from pagecast.server.slots import Place, Slots, SlotsExhausted
from pagecast.server.users import StoreUnavailable
from pagecast.server.writer import PageWriter, Response
from pagecast.v1 import continuation_pb2, events_pb2

_log = structlog.get_logger(__name__)

MODEL_NOT_LOADED = "MODEL_NOT_LOADED"
MODEL_FAILED = "MODEL_FAILED"
"""Why a page is degraded, as clients and metrics see it."""

T = TypeVar("T")


class Making:
    """One page, or part of one, in the making. Lives in the event loop; call `close` in the end."""

    def __init__(
        self,
        page: PageRequest,
        serving: Serving,
        resources: Resources,
        metrics: Metrics,
        place: Place,
        part: PagePart = WHOLE_PAGE,
    ) -> None:
        self._page = page
        self._part = part
        self._serving = serving
        self._resources = resources
        self._metrics = metrics
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._handover: Handover[PageEvent] = Handover(EVENTS_MAX)
        self._stopped = False
        self._decoding = False
        self._writer: PageWriter | None = None

    async def responses(self) -> AsyncGenerator[Response, None]:
        """The messages, each as soon as it is known. Raises Refusal."""
        try:
            await self._place.turn(self._page.clock.remaining_s())
        except TimeoutError as error:
            raise time_exceeded() from error
        except SlotsExhausted as error:
            raise at_capacity(self._resources.slots) from error
        basis = await self._in_thread(self._prepare)
        async with aclosing(self._page_of(basis)) as messages:
            async for message in messages:
                yield message
        if not (self._writer and self._writer.ended) and self._page.clock.is_over():
            raise time_exceeded()

    @property
    def ended(self) -> bool:
        """Whether the page is complete, or else a part of it at most."""
        return self._writer is not None and self._writer.ended

    @property
    def so_far(self) -> continuation_pb2.Continuation | None:
        """What carries the page on behind its last row; None if none was completed."""
        return None if self._writer is None else self._writer.so_far

    def close(self) -> None:
        """Nobody wants the page any more: its slot is free within one decode step."""
        self._stopped = True
        if not self._decoding:
            self._place.leave()

    def served(self, rows: int) -> events_pb2.PageServed | None:
        """What there is to report of the first `rows` rows; takes a millisecond."""
        if self._writer is None or not self._writer.begun:
            return None
        served = self._writer.served()
        del served.rows[rows:]
        return served

    def _in_thread(self, work: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return self._loop.run_in_executor(self._resources.preparing, work, *arguments)

    def _prepare(self) -> PageBasis:
        serving = self._serving
        # 3. One read brings history and profile; with the request they become the prompt.
        past = self._read_past()
        user = past.user
        page = as_of_its_moment(self._page, user.history, past.actions)
        prompt = build_prompt(
            user.history,
            user.profile,
            page.half,
            catalog=serving.snapshot,
            steps_max=serving.steps_max,
            context=serving.context,
        )
        # 4. What may stand where: for this user, here and now.
        facts = facts_of(page, user.history, user.profile, serving.snapshot)
        # 8. What stands on a page that is carried on counts, and stays.
        before = page.carried_on
        standing = () if before is None else standing_rows(before, serving.snapshot)
        return PageBasis(
            page=page,
            history=user.history,
            prompt=prompt,
            steps_max=serving.steps_max,
            context=serving.context,
            rules=compile_rules(serving.catalog, facts, serving.popular, standing=standing),
            model_version="" if serving.model is None else serving.model.version,
            arm=serving.arm,
            degraded=(*serving.degraded, *past.degraded),
            unknown=unknown_candidates(page.rules, serving.snapshot),
            actions=past.actions,
            reflected=past.reflected,
        )

    def _read_past(self) -> Past:
        # Half of the time is left for a page without the history, should it not come.
        time_max_s = self._page.clock.remaining_s() / 2
        try:
            user = self._resources.users.read(self._page.user_id, time_max_s)
        except StoreUnavailable:
            return self._part.past_of(None)
        return self._part.past_of(user)

    async def _page_of(self, basis: PageBasis) -> AsyncGenerator[Response, None]:
        """6. By the model; by popularity if there is none, or if it fails before the page began."""
        model = self._serving.model
        if model is None:
            async for message in self._popular(basis.without_model(MODEL_NOT_LOADED)):
                yield message
            return
        try:
            if isinstance(model, MultiStageModel):
                portions = _at_once(await self._in_thread(self._multi_stage, model, basis))
            else:
                portions = self._decoded(await self._in_thread(self._job_of, model, basis))
            async for message in self._written(basis, portions):
                yield message
        except HandoverFull as error:
            raise _reader_too_slow() from error
        except EngineError as error:
            _log.error("model_failed", version=basis.model_version, error=str(error))
            if self._writer is not None and self._writer.begun:
                raise _model_failed() from error
            async for message in self._popular(basis.without_model(MODEL_FAILED)):
                yield message

    def _multi_stage(self, model: MultiStageModel, basis: PageBasis) -> list[PageEvent]:
        """The baseline takes milliseconds for a whole page and no slot of the decode loop."""
        page = self._page
        options = decode_options(page.exact_entities, page.seed, page.sampling)
        events = multi_stage_page(model, basis.prompt, basis.rules, options)
        return list(self._of_part(events))

    def _job_of(self, model: Model, basis: PageBasis) -> PageJob:
        page = self._page
        sink = PageSink(
            put=self._put,
            end=self._end,
            stopped=lambda: self._stopped or page.clock.is_over(),
            whole_rows=not page.entity_by_entity,
        )
        options = decode_options(page.exact_entities, page.seed, page.sampling, page.shortlist)
        prefixes = self._resources.prefixes
        return prepare(model, page.user_id, basis.prompt, basis.rules, options, prefixes, sink)

    def _put(self, events: Sequence[PageEvent]) -> None:
        """In the decode loop's thread. Raises HandoverFull, and PartEnded behind the last row."""
        self._handover.put(events)
        if self._ends_part(events[-1]):
            raise PartEnded

    def _ends_part(self, event: PageEvent) -> bool:
        if not isinstance(event, RowEnded):
            return False
        rows = event.row_position + 1
        # Behind the last row the page itself has still to end.
        return rows < self._page.rows and self._part.ends_with(rows)

    async def _decoded(self, job: PageJob) -> AsyncIterator[Sequence[PageEvent]]:
        self._decoding = True
        self._resources.decoding.submit(job)
        async for events in self._handover:
            yield events

    def _end(self, error: BaseException | None) -> None:
        """In the decode loop's thread: the slot is free before anyone hears of it."""
        self._loop.call_soon_threadsafe(self._place.leave)
        self._handover.end(None if isinstance(error, PartEnded) else error)

    async def _popular(self, basis: PageBasis) -> AsyncIterator[Response]:
        scores_N = self._serving.scores_N
        events = await self._in_thread(
            lambda: list(self._of_part(popular_page(basis.rules, scores_N)))
        )
        async for message in self._written(basis, _at_once(events)):
            yield message

    def _of_part(self, events: Iterator[PageEvent]) -> Iterator[PageEvent]:
        for event in events:
            yield event
            if self._ends_part(event):
                return

    async def _written(
        self, basis: PageBasis, portions: AsyncIterator[Sequence[PageEvent]]
    ) -> AsyncIterator[Response]:
        """7. Events become messages as they come."""
        written: deque[Response] = deque()
        self._writer = PageWriter(
            basis,
            written.append,
            self._metrics,
            self._place.waited_ms,
            self._resources.continuations.sign,
        )
        async for events in portions:
            for event in events:
                self._writer.write(event)
            while written:
                yield written.popleft()


async def _at_once(events: Sequence[PageEvent]) -> AsyncIterator[Sequence[PageEvent]]:
    yield events


def _model_failed() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=MODEL_FAILED,
        message="the model failed on the way: the rows so far stand, ask for another page",
    )


def _reader_too_slow() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="READER_TOO_SLOW",
        message="the stream is not read: read it as it comes, or ask for a shorter page",
    )


def at_capacity(slots: Slots) -> Refusal:
    """No place for a page, or not any more."""
    delay_ms = slots.retry_delay_ms
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="SLOTS_EXHAUSTED",
        message=f"the server is at capacity: try again in {delay_ms} ms",
        retry_delay_ms=delay_ms,
    )


def time_exceeded() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="PAGE_TIME_EXCEEDED",
        message="the page took too long: the rows so far stand; is the server overloaded?",
    )
