"""Actions on a browsed page go to Kafka beside it: the page never waits for that."""

import asyncio
from collections.abc import Sequence

from pagecast.eventlog.errors import EventLogError
from pagecast.server.events.publishing import EventPublisher
from pagecast.v1 import events_pb2

ACTION_ACKNOWLEDGED_SECONDS_MAX = 5.0
"""How long Kafka may take for a page's actions before the client is told to publish them again."""

EVENT_LOG_UNAVAILABLE = "EVENT_LOG_UNAVAILABLE"
EVENT_LOG_NOT_CONFIGURED = "EVENT_LOG_NOT_CONFIGURED"
"""Why actions may not be in the event log, as `ActionsTaken` reports it."""


async def publish(
    publisher: EventPublisher | None, events: Sequence[events_pb2.InteractionEvent]
) -> str:
    """Returns "" once Kafka has all of them, otherwise why they may not be there."""
    if publisher is None:
        return EVENT_LOG_NOT_CONFIGURED
    flight = publisher.begin()
    try:
        async with asyncio.timeout(ACTION_ACKNOWLEDGED_SECONDS_MAX):
            refused = await publisher.send(events, flight)
            assert refused is None, "actions are checked when they come"
            await flight.wait_until_at_most(0)
    except (TimeoutError, EventLogError):
        return EVENT_LOG_UNAVAILABLE
    finally:
        flight.stopped = True
    return "" if flight.failure is None else EVENT_LOG_UNAVAILABLE
