"""Events from clients to Kafka: the server has one producer, in threads of its own.

Memory is bounded three times: by the producer's buffer in bytes, the events a stream may have in
flight, and the messages of a stream that are worked on (one). The rest stays with the client: a
message that is not read is not acknowledged, so gRPC's flow control makes it wait.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.errors import BrokerUnavailable, BufferFull, EventLogError
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import INTERACTIONS, TOPICS
from pagecast.eventlog.validation import INTERACTION_BYTES_MAX, broken_event_rule, order_to_forget
from pagecast.server.events.in_flight import InFlight
from pagecast.server.metrics import Metrics
from pagecast.v1 import events_pb2

SOURCE = "pagecast/server/publish"
"""CloudEvents source of the records."""

PUBLISH_THREADS_MAX = 4
"""Streams whose events are sent at the same time. Threads of their own, because those that read
histories must not wait for Kafka."""

IN_FLIGHT_EVENTS_MAX = 4_000
"""Events of one stream that Kafka has not acknowledged: four full messages, about 1 MB."""

ROOM_TIMEOUT_S = 5.0
"""How long one event may wait for room in the producer's buffer, or for a broker."""

RECONNECT_PAUSE_S = 1.0
"""For this long after a failed connection everybody is told so at once: attempts do not queue."""

_log = structlog.get_logger(__name__)


class EventPublisher:
    """Sends the events of all streams. Connects when first used. Call `close` in the end."""

    def __init__(self, bootstrap_servers: Bootstrap, metrics: Metrics) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._acknowledged = metrics.events_published.labels(outcome="acknowledged")
        self._failed = metrics.events_published.labels(outcome="failed")
        self._threads = ThreadPoolExecutor(PUBLISH_THREADS_MAX, "publish")
        self._connecting = threading.Lock()
        self._producer: EventProducer | None = None
        self._healthy = False
        """False after a failure: a broker may have forgotten the topic, and its producers."""
        self._unreachable_until_s = 0.0
        metrics.follow_publisher(lambda: self.unacknowledged)

    @property
    def unacknowledged(self) -> int:
        """Events of all streams that Kafka has not acknowledged."""
        producer = self._producer
        return 0 if producer is None else producer.unacknowledged

    def begin(self) -> InFlight:
        """Begins a new stream."""
        return InFlight(self._count)

    async def send(
        self, events: Sequence[events_pb2.InteractionEvent], flight: InFlight
    ) -> tuple[int, Rejection] | None:
        """Sends events in order until one is refused; returns its index and the reason.

        Raises EventLogError. If it is cancelled, sending stops at the next event.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._send, events, flight)

    def close(self) -> None:
        """Sends what waits, if that is possible in time."""
        self._threads.shutdown(cancel_futures=True)
        with self._connecting:
            self._disconnect()

    def _send(
        self, events: Sequence[events_pb2.InteractionEvent], flight: InFlight
    ) -> tuple[int, Rejection] | None:
        producer = self._connected()
        for index, event in enumerate(events):
            if flight.stopped or flight.failure is not None:
                return None
            if refused := rejection_of(event):
                return index, refused
            flight.begin()
            try:
                producer.send(INTERACTIONS, event.user_id, event, on_settled=flight.settle)
            except BufferFull:
                flight.withdraw()
                raise
            except EventLogError:
                flight.withdraw()
                self._healthy = False
                raise
        return None

    def _count(self, good: bool) -> None:
        if good:
            self._acknowledged.inc()
        else:
            self._failed.inc()
            self._healthy = False

    def _connected(self) -> EventProducer:
        with self._connecting:
            if self._producer is not None and self._healthy:
                return self._producer
            if time.monotonic() < self._unreachable_until_s:
                raise BrokerUnavailable(f"no broker listens on {self._bootstrap_servers}")
            self._disconnect()
            try:
                self._producer = self._connect()
            except EventLogError:
                self._unreachable_until_s = time.monotonic() + RECONNECT_PAUSE_S
                raise
            self._healthy = True
            return self._producer

    def _connect(self) -> EventProducer:
        with Admin(self._bootstrap_servers, timeout_s=ROOM_TIMEOUT_S) as admin:
            admin.create_missing([topic for topic in TOPICS if topic.name == INTERACTIONS])
        return EventProducer(self._bootstrap_servers, source=SOURCE, room_timeout_s=ROOM_TIMEOUT_S)

    def _disconnect(self) -> None:
        """Other streams learn from their `InFlight` what is not acknowledged in time."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(ROOM_TIMEOUT_S)
            except EventLogError as error:
                _log.warning("events_not_published", error=str(error))


def rejection_of(event: events_pb2.InteractionEvent) -> Rejection | None:
    """Why a client may not publish the event; None if it may."""
    if refused := broken_event_rule(event) or order_to_forget(event):
        return refused
    size = event.ByteSize()
    if size > INTERACTION_BYTES_MAX:
        detail = f"{size} bytes; at most {INTERACTION_BYTES_MAX} are taken"
        return Rejection(reason=Reason.TOO_LARGE, field="", detail=detail)
    return None
