"""ForgetUser: the order goes into the user's partition, and the answer is the worker's receipt.

The server erases nothing itself: only the partition's owner can do it without a race.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import grpc
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.errors import EventLogError, PublishFailed
from pagecast.eventlog.event_id import new_event_id
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, PROFILES
from pagecast.featurestore.erasures import Erasure, Erasures
from pagecast.server.page.served import SOURCE
from pagecast.server.rpc.bounded_calls import BoundedCalls
from pagecast.server.rpc.errors import Refusal
from pagecast.v1 import events_pb2, feature_pb2

_log = structlog.get_logger(__name__)

RECEIPT_SECONDS_MAX = 30.0
"""How long a call waits for its receipt unless its deadline is sooner."""

MARGIN_S = 0.5
"""How long before the deadline the answer leaves: later, the client would not get it."""

POLL_S = 0.1
"""Between two looks for the receipt: workers commit about once a second."""

PUBLISH_SECONDS_MAX = 10.0
"""A broker that takes longer for two records is treated as gone."""

FORGETTING_MAX = 32
"""Calls at a time; each asks the database ten times a second. More are refused."""

_PUBLISHERS = 2
"""Threads that wait for Kafka, apart from those that read histories."""

_LOOKERS = 4
"""Threads that look for receipts, apart from all others: the database may hang."""


class Forgetting:
    """Answers ForgetUser; lives in the event loop. Call `close` in the end."""

    def __init__(self, bootstrap_servers: Bootstrap, erasures: Erasures) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._erasures = erasures
        self._in_flight = 0
        self._publishers = ThreadPoolExecutor(_PUBLISHERS, thread_name_prefix="forget")
        self._looks = BoundedCalls("receipt", _LOOKERS)

    async def answer(
        self, user_id: str, seconds_left: float | None
    ) -> feature_pb2.ForgetUserResponse:
        """Returns the receipt, or what is known of it shortly before the deadline.

        Raises Refusal: FAILED_PRECONDITION without a Kafka, UNAVAILABLE if it does not acknowledge
        the order, RESOURCE_EXHAUSTED if too many are being forgotten.
        """
        if not self._bootstrap_servers:
            raise _no_event_log()
        if self._in_flight >= FORGETTING_MAX:
            raise _busy()
        seconds = RECEIPT_SECONDS_MAX if seconds_left is None else seconds_left
        end = time.monotonic() + min(seconds, RECEIPT_SECONDS_MAX) - MARGIN_S
        self._in_flight += 1
        try:
            order = _order(user_id)
            await self._publish(order, end)
            return _response(order, await self._receipt(order.event_id, end))
        finally:
            self._in_flight -= 1

    def close(self) -> None:
        """Does not wait for a database that hangs."""
        self._looks.close()
        self._publishers.shutdown()

    async def _publish(self, order: events_pb2.InteractionEvent, end: float) -> None:
        loop = asyncio.get_running_loop()
        send = partial(publish, self._bootstrap_servers, order, end)
        try:
            await loop.run_in_executor(self._publishers, send)
        except EventLogError as error:
            _log.warning("order_not_published", receipt_id=order.event_id, error=str(error))
            raise _event_log_unavailable() from error

    async def _look(self, receipt_id: str, seconds_max: float) -> Erasure | None:
        """Also None while the database is away or hangs: the order stands."""
        try:
            look = partial(self._erasures.receipt, receipt_id)
            return await self._looks.awaited(look, seconds_max)
        except (SQLAlchemyError, TimeoutError) as error:
            _log.warning("receipt_not_read", receipt_id=receipt_id, error=str(error))
            return None

    async def _receipt(self, receipt_id: str, end: float) -> Erasure | None:
        """The erasure as soon as it is complete, or as it stands at `end`."""
        while True:
            erasure = await self._look(receipt_id, max(end - time.monotonic(), MARGIN_S / 2))
            left = end - time.monotonic()
            if (erasure is not None and erasure.completed_at_ms is not None) or left <= 0:
                return erasure
            await asyncio.sleep(min(POLL_S, left))


def publish(bootstrap_servers: Bootstrap, order: events_pb2.InteractionEvent, end: float) -> None:
    """Returns when Kafka has the order, at `end` (of the monotonic clock) at the latest.

    The profile goes first: if the process ends between the two records, the order was never given,
    rather than half carried out. Each order gets its own connection, because months may lie between
    two of them. Raises EventLogError.
    """
    timeout_s = min(PUBLISH_SECONDS_MAX, end - time.monotonic())
    if timeout_s <= 0:
        raise PublishFailed("too many orders wait for the event log")
    producer = EventProducer(bootstrap_servers, source=SOURCE, room_timeout_s=timeout_s)
    try:
        producer.send_tombstone(PROFILES, order.user_id)
        producer.send(INTERACTIONS, order.user_id, order)
        producer.flush(max(0.0, end - time.monotonic()))
    finally:
        with suppress(EventLogError):
            producer.close(MARGIN_S / 4)


def _order(user_id: str) -> events_pb2.InteractionEvent:
    order = events_pb2.InteractionEvent(
        event_id=new_event_id(), user_id=user_id, user_forgotten=events_pb2.UserForgotten()
    )
    order.occurred_at.GetCurrentTime()
    return order


def _response(
    order: events_pb2.InteractionEvent, erasure: Erasure | None
) -> feature_pb2.ForgetUserResponse:
    response = feature_pb2.ForgetUserResponse(
        receipt_id=order.event_id, requested_at=order.occurred_at
    )
    if erasure is not None and erasure.completed_at_ms is not None:
        response.completed_at.FromMilliseconds(erasure.completed_at_ms)
        response.rows_erased = erasure.rows_erased
    return response


def _no_event_log() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.FAILED_PRECONDITION,
        reason="EVENT_LOG_NOT_CONFIGURED",
        message="the server was started without an event log: set bootstrap_servers",
    )


def _event_log_unavailable() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="EVENT_LOG_UNAVAILABLE",
        message="the event log did not acknowledge the order, which may stand all the same: "
        "ask again, it is harmless",
        retry_delay_ms=1000,
    )


def _busy() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="TOO_MANY_ERASURES",
        message=f"{FORGETTING_MAX} users are being forgotten at the moment: try again",
        retry_delay_ms=1000,
    )
