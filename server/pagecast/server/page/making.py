"""Steps 3 to 7 of the life of a page: from a place in the queue to the messages of the stream.

What takes Python a millisecond or more happens in a thread (`preparing`, and the tokens of the
prompt); `choosing` decides who chooses rows and entities, and where; here, in the event loop, the
events of the page become messages.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import structlog

from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.server.metrics import Metrics
from pagecast.server.models.serving import Serving
from pagecast.server.page.basis import PageBasis
from pagecast.server.page.choosing import Choosing, Portions
from pagecast.server.page.handover import HandoverFull
from pagecast.server.page.part import WHOLE_PAGE, PagePart
from pagecast.server.page.preparing import page_basis
from pagecast.server.page.refusals import (
    MODEL_FAILED,
    MODEL_NOT_LOADED,
    at_capacity,
    model_failed,
    reader_too_slow,
    time_exceeded,
)
from pagecast.server.page.request import PageRequest
from pagecast.server.page.slots import Place, SlotsExhausted
from pagecast.server.page.writer import PageWriter, Response
from pagecast.server.resources import Resources
from pagecast.server.rpc.errors import FEATURE_STORE_UNAVAILABLE
from pagecast.server.rpc.in_time import in_thread
from pagecast.v1 import continuation_pb2, events_pb2

_log = structlog.get_logger(__name__)


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
        self._choosing = Choosing(page, serving, resources, place, part)
        self._forgotten = 0
        self._writer: PageWriter | None = None

    async def responses(self) -> AsyncGenerator[Response, None]:
        """The messages, each as soon as it is known. Raises Refusal."""
        # 5. Here the page waits for its turn, until there is a slot.
        try:
            await self._place.turn(self._page.clock.remaining_s())
        except TimeoutError as error:
            raise time_exceeded() from error
        except SlotsExhausted as error:
            raise at_capacity(self._resources.slots) from error
        basis = await self._basis()
        async with aclosing(self._page_of(basis)) as messages:
            async for message in messages:
                yield message
        if not (self._writer and self._writer.ended) and self._page.clock.is_over():
            raise time_exceeded()

    @property
    def ended(self) -> bool:
        """Whether the whole page is complete, and not only a part of it."""
        return self._writer is not None and self._writer.ended

    @property
    def so_far(self) -> continuation_pb2.Continuation | None:
        """What carries the page on behind its last row; None if none was completed."""
        return None if self._writer is None else self._writer.so_far

    def close(self) -> None:
        """Nobody wants the page any more: its slot is free within one decode step."""
        self._choosing.close()

    def served(self, rows: int) -> events_pb2.PageServed | None:
        """The record of the first `rows` rows, if there is one; takes a millisecond."""
        if self._writer is None or not self._writer.begun:
            return None
        served = self._writer.served()
        del served.rows[rows:]
        return served

    async def _basis(self) -> PageBasis:
        """3, 4. In a thread."""
        resources, page = self._resources, self._page
        # Before the history is read: see `PrefixCache.keep`.
        self._forgotten = resources.prefixes.forgotten
        work = (page_basis, page, self._serving, resources.users, self._part)
        return await in_thread(page.clock, resources.preparing, *work)

    async def _page_of(self, basis: PageBasis) -> AsyncGenerator[Response, None]:
        """6. By the model; by popularity if there is none, or it fails before the page began."""
        model = self._serving.model
        if model is None:
            async for message in self._popular(basis.without_model(MODEL_NOT_LOADED)):
                yield message
            return
        try:
            known = FEATURE_STORE_UNAVAILABLE not in basis.degraded
            forgotten = self._forgotten if known else None
            portions = await self._choosing.by_model(model, basis, forgotten)
            async for message in self._written(basis, portions):
                yield message
            self._bring_over(basis)
        except HandoverFull as error:
            raise reader_too_slow() from error
        except EngineError as error:
            _log.error("model_failed", version=basis.model_version, error=str(error))
            if self._writer is not None and self._writer.begun:
                raise model_failed() from error
            async for message in self._popular(basis.without_model(MODEL_FAILED)):
                yield message

    def _bring_over(self, basis: PageBasis) -> None:
        """After a page by the previous champion, prepares for the person's next one."""
        model, successor = self._serving.model, self._serving.successor
        if not (isinstance(model, Model) and isinstance(successor, Model)):
            return
        # A prompt of fewer or more steps begins differently: feeding it would be of no use.
        if successor.bundle.steps_max == model.bundle.steps_max:
            bringing = self._resources.bringing_over
            bringing.bring(successor, self._page.user_id, basis.prompt, model.version)

    async def _popular(self, basis: PageBasis) -> AsyncIterator[Response]:
        async for message in self._written(basis, await self._choosing.by_popularity(basis)):
            yield message

    async def _written(self, basis: PageBasis, portions: Portions) -> AsyncIterator[Response]:
        """7. Events become messages as they come."""
        written: deque[Response] = deque()
        self._writer = PageWriter(
            basis,
            written.append,
            self._metrics,
            self._place.waited_ms,
            self._resources.continuations.sign,
            is_first=self._part.is_first,
        )
        async for events in portions:
            for event in events:
                self._writer.write(event)
            while written:
                yield written.popleft()
