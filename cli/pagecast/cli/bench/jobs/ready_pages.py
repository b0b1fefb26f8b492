"""The server's way from what was chosen to the bytes of a stream, and an empty stream beside it.

Both doors are in this process. Behind the first is all that a server does after the decode loop,
with the server's own code: checks, hand-over from a thread, messages, continuations, gRPC. The page
was chosen before, by popularity, so there is no decoding. Behind the second, gRPC alone sends the
bytes of the very same messages.
"""

import asyncio
import json
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvloop

from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.ready_stream import EMPTY_SERVICE, STREAMS_MAX, page_request
from pagecast.cli.bench.serve.world import START_MS, USER
from pagecast.cli.stack.ready import announce
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun
from pagecast.engine.popular import popular_page
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.history.history import STEPS_MAX, Profile
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.prompt.context import NO_CONTEXT
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.featurestore.state import StatePaths
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.server.carrying_on.continuation import Continuations
from pagecast.server.config import ServerConfig
from pagecast.server.main import SWITCH_INTERVAL_S
from pagecast.server.metrics import Metrics
from pagecast.server.page.basis import PageBasis
from pagecast.server.page.handover import EVENTS_MAX, Handover
from pagecast.server.page.request import PageClock, read_request
from pagecast.server.page.writer import PageWriter, Response
from pagecast.server.rpc.interceptor import CallsInFlight, RequestInterceptor
from pagecast.v1 import homepage_pb2

Portions = Sequence[Sequence[PageEvent]]

KEY = "the key of a benchmark, of which nobody need be afraid"


def basis_of(paths: StatePaths) -> tuple[PageBasis, list[PageEvent]]:
    """What the page is made from, and the whole page, by popularity."""
    engine = connect(paths.database_url)
    snapshot = Catalog(engine).snapshot()
    engine.dispose()
    store = OnlineFeatures.open(paths)
    history = store.read_history(USER)
    store.close()
    shape, half = PageShape(), RequestHalf(at_ms=START_MS)
    facts = RequestFacts(at_ms=START_MS, rows=shape.rows, entities_per_row=shape.entities_per_row)
    rules = compile_rules(CompiledCatalog(snapshot), facts, ())
    config = ServerConfig(state=paths, port=0, allow_client_clock=True)
    request = page_request(homepage_pb2.GRANULARITY_ROWS)
    basis = PageBasis(
        page=read_request(request, config, PageClock.start(None), START_MS),
        history=history,
        prompt=build_prompt(history, Profile(), half, catalog=snapshot),
        steps_max=STEPS_MAX,
        context=NO_CONTEXT,
        rules=rules,
        model_version="",
        arm="champion",
    )
    return basis, list(popular_page(rules, np.zeros(len(snapshot.entities))))


def portions_of(events: Sequence[PageEvent], *, whole_rows: bool) -> Portions:
    """As the decode loop hands them over: a row at a time, or a decision at a time."""
    begins = (RowBegun, PageEnded) if whole_rows else (RowBegun, EntityChosen, PageEnded)
    portions: list[list[PageEvent]] = []
    for event in events:
        if isinstance(event, begins):
            portions.append([])
        portions[-1].append(event)
    return portions


class ReadyPages:
    """Streams the same page again and again, written anew each time."""

    def __init__(self, basis: PageBasis, events: Sequence[PageEvent], config: ServerConfig) -> None:
        self._basis, self._config = basis, config
        self._metrics, self._continuations = Metrics(), Continuations([KEY])
        self._deciding = ThreadPoolExecutor(STREAMS_MAX)
        self.waited_s = 0.0
        self._portions = {whole: portions_of(events, whole_rows=whole) for whole in (True, False)}

    def handler(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """Answers StreamHomepage, of HomepageService."""
        service = homepage_pb2.DESCRIPTOR.services_by_name["HomepageService"].full_name
        method = grpc.unary_stream_rpc_method_handler(
            self.stream,
            request_deserializer=homepage_pb2.StreamHomepageRequest.FromString,
            response_serializer=Response.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(service, {"StreamHomepage": method})

    async def stream(
        self, request: homepage_pb2.StreamHomepageRequest, context: Any
    ) -> AsyncIterator[Response]:
        clock = PageClock.start(context.time_remaining())
        page = read_request(request, self._config, clock, time.time_ns() // 1_000_000)
        handover: Handover[PageEvent] = Handover(EVENTS_MAX)
        written: deque[Response] = deque()
        writer = self.writer(replace(self._basis, page=page), written)
        taken = threading.Semaphore()
        portions = self._portions[not page.entity_by_entity]
        deciding = self._deciding.submit(_hand_over, handover, portions, taken)
        try:
            async for chosen in handover:
                for event in chosen:
                    writer.write(event)
                while written:
                    yield written.popleft()
                taken.release()
        finally:  # a client may leave early, and the thread must not wait for ever
            taken.release(len(portions))
        self.waited_s += deciding.result()

    def writer(self, basis: PageBasis, written: deque[Response]) -> PageWriter:
        sign = self._continuations.sign
        return PageWriter(basis, written.append, self._metrics, 0.0, sign)

    def messages(self, *, whole_rows: bool) -> list[bytes]:
        """The messages of the page as they are sent."""
        granularity = homepage_pb2.GRANULARITY_ROWS
        if not whole_rows:
            granularity = homepage_pb2.GRANULARITY_ENTITIES
        request, clock = page_request(granularity), PageClock.start(None)
        page = read_request(request, self._config, clock, START_MS)
        written: deque[Response] = deque()
        writer = self.writer(replace(self._basis, page=page), written)
        for portion in self._portions[whole_rows]:
            for event in portion:
                writer.write(event)
        return [message.SerializeToString() for message in written]


def _hand_over(
    handover: Handover[PageEvent], portions: Portions, taken: threading.Semaphore
) -> float:
    """Hands over, in a thread, each portion once the one before has been taken: decoding takes
    longer, so each wakes the event loop. Returns the CPU seconds that waiting cost."""
    waited_s = 0.0
    for portion in portions:
        began_s = time.thread_time()
        taken.acquire()
        waited_s += time.thread_time() - began_s
        handover.put(portion)
    handover.end()
    return waited_s


async def _empty(_request: bytes, _context: Any, messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def _waited(pages: ReadyPages, _request: bytes, _context: Any) -> bytes:
    return str(pages.waited_s).encode()


async def serve(paths: StatePaths, ready_file: Path) -> None:
    """Until SIGTERM."""
    basis, events = basis_of(paths)
    pages = ReadyPages(basis, events, ServerConfig(state=paths, port=0, allow_client_clock=True))
    ours = grpc.aio.server(interceptors=[RequestInterceptor(Metrics(), CallsInFlight())])
    ours.add_generic_rpc_handlers([pages.handler()])
    empty = grpc.aio.server()
    methods: dict[str, Any] = {
        name: grpc.unary_stream_rpc_method_handler(
            partial(_empty, messages=pages.messages(whole_rows=name == "Rows"))
        )
        for name in ("Rows", "Entities")
    }
    methods["Waited"] = grpc.unary_unary_rpc_method_handler(partial(_waited, pages))
    empty.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(EMPTY_SERVICE, methods)])
    ports = [server.add_insecure_port("127.0.0.1:0") for server in (ours, empty)]
    for server in (ours, empty):
        await server.start()
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    announce(ready_file, {"ours": f"127.0.0.1:{ports[0]}", "empty": f"127.0.0.1:{ports[1]}"})
    await end.wait()
    for server in (ours, empty):
        await server.stop(None)


def main() -> None:
    """Settings: state, ready_file; it announces the addresses `ours` and `empty`."""
    settings = json.loads(sys.argv[1])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    paths = StatePaths(root=Path(settings["state"]))
    uvloop.run(serve(paths, Path(settings["ready_file"])))


if __name__ == "__main__":
    main()
