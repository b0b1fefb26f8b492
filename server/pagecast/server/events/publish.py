"""FeatureService.PublishEvents: a stream of events, answered once Kafka has them all."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import grpc

from pagecast.eventlog.errors import EventLogError
from pagecast.server.events.in_flight import InFlight
from pagecast.server.events.publishing import IN_FLIGHT_EVENTS_MAX, EventPublisher
from pagecast.server.rpc.errors import FieldViolation, Refusal, invalid_argument
from pagecast.server.rpc.validation import Malformed, check_parsed
from pagecast.v1 import feature_pb2

MESSAGE_EVENTS_MAX = 1_000
"""Events of one message, as the proto says."""

ACKNOWLEDGED_SECONDS_MAX = 35.0
"""How long Kafka may take for what a stream has in flight: longer than the producer waits for a
record, so that the producer is the one to say what failed."""

LAST_WORD_SECONDS = 0.25
"""Kept free before a deadline, so that the client hears why, not only that it was too late."""

RETRY_DELAY_MS = 1_000
"""When a client may try again: a broker that restarts takes some seconds."""

Result = TypeVar("Result")

Requests = AsyncIterator[feature_pb2.PublishEventsRequest | Malformed]


async def publish_events(
    publisher: EventPublisher | None, requests: Requests, context: Any
) -> feature_pb2.PublishEventsResponse:
    """Raises Refusal: FAILED_PRECONDITION without Kafka, INVALID_ARGUMENT for the first event that
    is wrong, UNAVAILABLE if Kafka does not acknowledge in time."""
    if publisher is None:
        raise Refusal(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason="EVENT_LOG_NOT_CONFIGURED",
            message="this server has no Kafka to publish to: set its bootstrap_servers",
        )
    flight = publisher.begin()
    try:
        refused = await _publish_all(publisher, requests, flight, context)
        await _in_time(flight.wait_until_at_most(0), context)
        _raise_failure(flight)
    finally:
        # After a cancel or a deadline the thread stops at the next event.
        flight.stopped = True
    if refused is not None:
        refused.metadata = {"events_published": str(flight.acknowledged)}
        raise refused
    return feature_pb2.PublishEventsResponse(events_published=flight.acknowledged)


async def _publish_all(
    publisher: EventPublisher, requests: Requests, flight: InFlight, context: Any
) -> Refusal | None:
    """Sends until the end, or until something is refused, and returns that refusal."""
    async for message in requests:
        try:
            request = _checked(message)
        except Refusal as refused:
            return refused
        # Nothing more is read while this waits, so the client waits too.
        room = IN_FLIGHT_EVENTS_MAX - len(request.events)
        await _in_time(flight.wait_until_at_most(room), context)
        _raise_failure(flight)
        found = await _in_time(publisher.send(request.events, flight), context)
        if found is not None:
            index, rejection = found
            path = f"events[{index}]" + (f".{rejection.field}" if rejection.field else "")
            return invalid_argument(FieldViolation(path=path, description=rejection.detail))
    return None


def _checked(
    message: feature_pb2.PublishEventsRequest | Malformed,
) -> feature_pb2.PublishEventsRequest:
    """The message, whose events are not checked yet. Raises Refusal."""
    request = check_parsed(message)
    count = len(request.events)
    if not 1 <= count <= MESSAGE_EVENTS_MAX:
        told = f"{count} events in a message: send from 1 to {MESSAGE_EVENTS_MAX}"
        raise invalid_argument(FieldViolation(path="events", description=told))
    return request


async def _in_time(waiting: Coroutine[Any, Any, Result], context: Any) -> Result:
    """Waits for Kafka, a little shorter than the client does. Raises Refusal (UNAVAILABLE)."""
    remaining_s: float | None = context.time_remaining()
    patience_s = ACKNOWLEDGED_SECONDS_MAX
    if remaining_s is not None:
        patience_s = min(patience_s, max(0.0, remaining_s - LAST_WORD_SECONDS))
    try:
        return await asyncio.wait_for(waiting, patience_s)
    except (TimeoutError, EventLogError) as error:
        raise _unavailable(error) from error


def _raise_failure(flight: InFlight) -> None:
    if flight.failure is not None:
        raise _unavailable(flight.failure)


def _unavailable(error: BaseException | None) -> Refusal:
    told = "Kafka does not acknowledge events at the moment"
    if error is not None:
        told += f" ({type(error).__name__})"
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="EVENT_LOG_UNAVAILABLE",
        message=f"{told}: send the stream again, what arrived has no second effect",
        retry_delay_ms=RETRY_DELAY_MS,
    )
