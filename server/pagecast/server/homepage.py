"""The life of a page (docs/architecture.md): from a request to a stream. Begin reading here.

    step                                                        file
 1  the request is parsed, validated, given clock and defaults  rpc/interceptor, page/request
 2  one reference holds models, catalog and popularity          models/serving, models/arms
 3  one read brings history and profile: the prompt             page/users, page/preparing
 4  what may stand where, for this request: the page's basis    page/facts, page/basis
 5  a place is taken and waited for, or the page refused        page/slots, page/waiting_line
 6  rows and entities are chosen, by the model or popularity    page/choosing; engine: walk
 7  each leaves as soon as it is chosen                         page/making, handover, writer
 8  the same page, carried on later, or as it is browsed        carrying_on; browse
 9  what was delivered is reported                              page/basis, page/served

All of it happens in the event loop, except steps 3 and 4, which take Python a millisecond or two in
a thread of their own, and the decoding, for which all pages share one thread. When something is
missing:

- no model of the user's arm: the champion's page, but recorded under that arm,
- no champion, or it fails before the first row: a page by popularity under the same rules,
- the history cannot be read: the page of a stranger,
- no slot in sight, no catalog, or the model fails on the way: the RPC ends with a status,
- the model or token of a page that is carried on is no longer valid: likewise.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any

from pagecast.server.browse.browse import BROWSE_SECONDS_MAX, Browse
from pagecast.server.browse.browsed import Requests, first_of, within_page
from pagecast.server.browse.browsing import ROWS_AHEAD_DEFAULT, Browsing
from pagecast.server.config import ServerConfig
from pagecast.server.metrics import Metrics
from pagecast.server.models.serving import Serving
from pagecast.server.page.making import Making
from pagecast.server.page.refusals import (
    at_capacity,
    browse_not_begun,
    catalog_empty,
    too_many_browses,
)
from pagecast.server.page.request import PageClock, PageRequest, read_request
from pagecast.server.page.slots import Place, SlotsExhausted
from pagecast.server.page.writer import Response
from pagecast.server.resources import Resources
from pagecast.server.rpc.clients import client_of
from pagecast.server.rpc.errors import Refusal
from pagecast.server.rpc.in_time import in_time
from pagecast.server.rpc.validation import check, checks_itself
from pagecast.v1 import continuation_pb2, homepage_pb2, homepage_pb2_grpc

BROWSES_MAX = 1_000
"""Pages browsed at the same time: each holds its user's history and its rows between its parts, and
wakes up when its reader scrolls. As many parts may wait for a slot beside other pages."""

BROWSES_OF_CLIENT_MAX = 900
"""Pages browsed by one client: a flood leaves a hundred to all others, and a client that is alone,
such as a proxy that names nobody, hardly misses them."""

BROWSES_RETRY_MS = 1_000
"""When a refused client may try again: with so many readers one leaves every few seconds."""


BEGIN_SECONDS_MAX = 5.0
"""Within which a call of BrowseHomepage must say whose page it wants: clients send that with the
call, and one that says nothing would keep a place from others for ten minutes."""


class HomepageService(homepage_pb2_grpc.HomepageServiceServicer):
    def __init__(self, config: ServerConfig, resources: Resources, metrics: Metrics) -> None:
        self._config = config
        self._resources = resources
        self._metrics = metrics
        self._browses: Counter[str] = Counter()
        """Open calls by client."""
        self._browsed: set[Browse] = set()
        metrics.follow_browses(self._browses.total)

    def cut_browses(self) -> None:
        """The server stops: pages that are browsed end after the row in hand."""
        for browse in self._browsed:
            browse.cut()

    @checks_itself
    async def StreamHomepage(
        self, request: homepage_pb2.StreamHomepageRequest, context: Any
    ) -> AsyncIterator[Response]:
        """Raises Refusal, which the interceptor turns into a status."""
        # 5 begins here: if there is no place, the request is not even looked at.
        client = client_of(context)
        self._check_room(client)
        # 1. The request is validated, and gets its clock and its defaults.
        check(request)
        clock = PageClock.start(context.time_remaining())
        now_ms, carried_on = time.time_ns() // 1_000_000, self._carried_on(request)
        page = read_request(request, self._config, clock, now_ms, carried_on)
        # 2. The user's arm, and the model, catalog and popularity of this moment, stay those of the
        #    whole page; a page that is carried on keeps its arm and model.
        serving = await self._serving(page)
        # 5. A place comes before the read (3) and the rules (4): a page that is refused has cost
        #    nothing, and one that had to wait, in `making`, sees the newest history.
        place = self._take_place(client)
        making = Making(page, serving, self._resources, self._metrics, place)
        delivered = 0
        try:
            # 6, 7. What is chosen is streamed as it comes.
            async with aclosing(making.responses()) as responses:
                async for response in responses:
                    yield response
                    delivered += response.HasField("row_completed")
        finally:
            # A client that cancelled, or a deadline, frees the slot within one decode step.
            making.close()
            # 8. Nothing of the page is kept: to carry it on, a client sends its last continuation.
            # 9. What was delivered is reported, after the page and off its path.
            self._report(making, delivered)

    async def BrowseHomepage(
        self, requests: Requests, context: Any
    ) -> AsyncIterator[homepage_pb2.BrowseHomepageResponse]:
        """The same in parts, each carried on after the one before (`browse`). Raises Refusal."""
        client = client_of(context)
        self._check_browses(client)
        self._browses[client] += 1
        try:
            clock = PageClock.start(context.time_remaining(), BROWSE_SECONDS_MAX)
            browse = await self._browse(requests, clock, client)
            self._browsed.add(browse)
            try:
                async with aclosing(browse.responses(requests)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self._browsed.remove(browse)
        finally:
            self._browses.subtract([client])
            if not self._browses[client]:
                del self._browses[client]

    async def _browse(self, requests: Requests, clock: PageClock, client: str) -> Browse:
        try:
            async with asyncio.timeout(min(BEGIN_SECONDS_MAX, clock.remaining_s())):
                begin = await first_of(requests)
        except TimeoutError as error:
            raise browse_not_begun(BEGIN_SECONDS_MAX) from error
        request, now_ms = begin.page, time.time_ns() // 1_000_000
        try:
            page = read_request(request, self._config, clock, now_ms, self._carried_on(request))
        except Refusal as refusal:
            raise within_page(refusal) from refusal
        before = page.carried_on
        browsing = Browsing(
            page.user_id,
            rows_before=0 if before is None else len(before.rows),
            rows_ahead=begin.rows_ahead or ROWS_AHEAD_DEFAULT,
            fold=self._resources.fold,
            erasures=self._resources.erasures,
        )
        return Browse(
            page,
            browsing,
            self._resources,
            self._metrics,
            self._serving,
            partial(self._take_place, client),
            partial(self._resources.slots.take_on, client),
        )

    def _carried_on(
        self, request: homepage_pb2.StreamHomepageRequest
    ) -> continuation_pb2.Continuation | None:
        if not request.continuation:
            return None
        return self._resources.continuations.read(request.continuation, request.user_id)

    async def _serving(self, page: PageRequest) -> Serving:
        if page.carried_on is None:
            serving = self._serving_of_now(page.user_id)
        else:
            async with in_time(page.clock):
                serving = await self._resources.carried.serving_of(page.carried_on)
        if not (serving.snapshot.entities and serving.snapshot.rows):
            raise catalog_empty()
        return serving

    def _serving_of_now(self, user_id: str) -> Serving:
        serving = self._resources.servings.current.drawn_for(user_id)
        prefixes, idle_s = self._resources.prefixes, self._resources.slots.idle_s
        return serving.before_succession(user_id, lambda of: prefixes.keeps((user_id, of)), idle_s)

    def _check_browses(self, client: str) -> None:
        if self._browses.total() >= BROWSES_MAX:
            raise too_many_browses(f"{BROWSES_MAX} pages", BROWSES_RETRY_MS)
        if self._browses[client] >= BROWSES_OF_CLIENT_MAX:
            most = f"{BROWSES_OF_CLIENT_MAX} pages of this client"
            raise too_many_browses(most, BROWSES_RETRY_MS)

    def _check_room(self, client: str) -> None:
        slots = self._resources.slots
        try:
            slots.check_room(client)
        except SlotsExhausted as error:
            raise at_capacity(slots) from error

    def _take_place(self, client: str) -> Place:
        slots = self._resources.slots
        try:
            return slots.take(client)
        except SlotsExhausted as error:
            raise at_capacity(slots) from error

    def _report(self, making: Making, delivered: int) -> None:
        """Reports the `delivered` rows that were sent, if any, and none decoded beyond them."""
        reporter = self._resources.reporter
        if reporter is None:
            return

        def report() -> None:
            if (served := making.served(delivered)) is not None and served.rows:
                reporter.report(served)

        self._resources.preparing.submit(report)
