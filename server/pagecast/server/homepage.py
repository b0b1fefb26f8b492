"""The life of a page (docs/architecture.md): from a request to a stream. Begin reading here.

    step                                                        file
 1  the request is parsed, validated, given clock and defaults  interceptor, validation, request
 2  one reference holds models, catalog and popularity          serving; models, arms
 3  one read brings history and profile: the prompt             users, making
 4  what may stand where, for this request                      facts, making
 5  a slot is taken, or the page refused at once                here
 6  rows and entities are chosen, by the model or popularity    making
 7  each leaves as soon as it is chosen                         writer, handover
 8  the same page, carried on later                             not yet
 9  what was delivered is reported                              basis, served

Steps 3, 4 and 6 happen in the thread of the page's slot. What happens when something is missing:

- no model of the user's arm: the champion's page, whose arm it stays,
- no champion, or it fails before the first row: a page by popularity under the same rules,
- the history cannot be read: the page of a stranger,
- no slot in sight, no catalog, the model fails on the way: the RPC ends with a status.
"""

import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import grpc

from pagecast.engine.slots import SlotsExhausted, Ticket
from pagecast.server.config import ServerConfig
from pagecast.server.errors import Refusal
from pagecast.server.handover import MESSAGES_MAX, Handover
from pagecast.server.making import Making
from pagecast.server.metrics import Metrics
from pagecast.server.request import PageClock, read_request
from pagecast.server.resources import Resources
from pagecast.server.serving import Serving
from pagecast.server.writer import Response
from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

RETRY_DELAY_MS = 250
"""What a refused client is told to wait: about the time in which a full queue empties by half."""

Served = events_pb2.PageServed


class HomepageService(homepage_pb2_grpc.HomepageServiceServicer):
    def __init__(self, config: ServerConfig, resources: Resources, metrics: Metrics) -> None:
        self._config = config
        self._resources = resources
        self._metrics = metrics

    async def StreamHomepage(
        self, request: homepage_pb2.StreamHomepageRequest, context: Any
    ) -> AsyncIterator[Response]:
        """Raises Refusal, which the interceptor turns into a status."""
        # 1. The interceptor has validated the request; here it gets its clock and its defaults.
        clock = PageClock.start(context.time_remaining())
        page = read_request(request, self._config, clock, now_ms=time.time_ns() // 1_000_000)
        # 2. The user's arm, and model, catalog and popularity of this moment are those of the whole
        #    page.
        serving = self._serving().drawn_for(page.user_id)
        # 5. A slot comes before the read (3) and the rules (4): a page that is refused has cost
        #    nothing, and one that had to wait sees the newest history.
        handover: Handover[Response] = Handover(MESSAGES_MAX)
        making = Making(page, serving, self._resources.users, self._metrics, handover)
        ticket = self._take_slot(making)
        delivered = 0
        try:
            # 7. What the slot's thread hands over is streamed as it comes.
            async for response in handover:
                yield response
                delivered += response.HasField("row_completed")
        finally:
            # A client that cancelled, or a deadline, frees the slot within one decode step.
            ticket.cancel()
            # 8. There are no continuations yet: a page is complete, or it is asked for again.
            # 9. What was delivered is reported, after the page and off its path.
            ticket.future.add_done_callback(lambda made: self._report(made, delivered))

    def _serving(self) -> Serving:
        serving = self._resources.servings.current
        if not (serving.snapshot.entities and serving.snapshot.rows):
            raise Refusal(
                code=grpc.StatusCode.UNAVAILABLE,
                reason="CATALOG_EMPTY",
                message="the catalog has no entities or no rows: publish some and try again",
            )
        return serving

    def _take_slot(self, making: Making) -> Ticket[Served | None]:
        try:
            return self._resources.slots.submit(making.run)
        except SlotsExhausted as error:
            raise Refusal(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason="SLOTS_EXHAUSTED",
                message=f"the server is at capacity: try again in {RETRY_DELAY_MS} ms",
                retry_delay_ms=RETRY_DELAY_MS,
            ) from error

    def _report(self, made: Future[Served | None], delivered: int) -> None:
        """`delivered` rows were sent; rows that were decoded in vain are not reported."""
        reporter = self._resources.reporter
        if reporter is None or made.cancelled():
            return
        served = made.result()
        if served is not None:
            del served.rows[delivered:]
            reporter.report(served)
