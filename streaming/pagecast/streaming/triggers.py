"""Asks for a training when there is a reason: once, however many workers see it.

Counts, positions and the request are one transaction, one at a time across all processes. The
request is published from the database, and again with the same id if that was not noted.
"""

from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa
import structlog

from pagecast.eventlog.event_id import new_event_id
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import TRAININGS
from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.positions import read_next_offsets, write_next_offsets
from pagecast.featurestore.trainings.requests import (
    TrainingRequest,
    TrainingRequests,
    add_request,
    newest_request_ms,
)
from pagecast.featurestore.trainings.trigger_states import (
    TriggerState,
    entities_known,
    newest_model_ms,
    read_states,
    write_states,
)
from pagecast.streaming.failpoint import reach
from pagecast.streaming.trigger_conditions import CONDITIONS, Moment, Seen
from pagecast.streaming.trigger_config import Trigger, TriggersConfig
from pagecast.v1 import training_pb2

MINUTE_MS = 60_000

_CONSUMER = "triggers"

_PROTO = {
    Trigger.EVENTS: training_pb2.TRAINING_TRIGGER_EVENTS,
    Trigger.NEW_ENTITIES: training_pb2.TRAINING_TRIGGER_NEW_ENTITIES,
    Trigger.DRIFT: training_pb2.TRAINING_TRIGGER_DRIFT,
    Trigger.SCHEDULE: training_pb2.TRAINING_TRIGGER_SCHEDULE,
}

log = structlog.get_logger(__name__)


class Triggers:
    """The triggers of a migrated database. For one thread; each worker has its own."""

    def __init__(self, engine: sa.Engine, config: TriggersConfig) -> None:
        self._engine = engine
        self._config = config
        self._requests = TrainingRequests(engine)
        self._made_here: str | None = None

    def observe(self, rows: Sequence[LoggedEvent], now_ms: int) -> TrainingRequest | None:
        """Counts events, each once, and makes a request if there is a reason to.

        `rows` are the events since the last call, in order within a partition; a replay is
        recognised by its offsets. Call it about once a second, not for every batch, and without
        rows when there are none: the schedule knows no other clock.
        """
        if not self._config.on:
            return None
        with exclusive(self._engine, Lock.TRIGGERS) as connection:
            seen = Seen.of(_take_fresh(connection, rows))
            moment = _moment(connection, now_ms)
            holds = self._look(connection, seen, moment)
            request = self._request(connection, holds, moment) if holds else None
        if request is not None:
            self._made_here = request.request_id
            log.info("training requested", trigger=request.trigger, detail=request.detail)
        reach("requested")
        return request

    def publish(self, producer: EventProducer, now_ms: int) -> int:
        """Publishes requests that are not published yet; returns how many.

        Raises PublishFailed and BrokerUnavailable: then call it again, nothing is lost.
        """
        if not self._config.on:
            return 0
        requests = self._requests.unpublished(self._made_here, now_ms)
        for request in requests:
            producer.send(TRAININGS, request.request_id, _message(request))
        if requests:
            producer.flush()
            reach("published")
        for request in requests:
            self._requests.mark_published(request.request_id, now_ms)
        self._made_here = None
        return len(requests)

    def _look(self, connection: sa.Connection, seen: Seen, moment: Moment) -> dict[Trigger, str]:
        """What holds now, by trigger, in the order in which reasons are looked at."""
        states = read_states(connection)
        holds: dict[Trigger, str] = {}
        for trigger, condition in CONDITIONS.items():
            state = states.setdefault(trigger, TriggerState(since_ms=moment.now_ms))
            detail = condition(self._config, state, seen, moment)
            if detail is not None:
                holds[trigger] = detail
        write_states(connection, states)
        return holds

    def _request(
        self, connection: sa.Connection, holds: dict[Trigger, str], moment: Moment
    ) -> TrainingRequest | None:
        """One request for all that holds, unless the last one was a moment ago."""
        if moment.now_ms - newest_request_ms(connection) < self._config.pause_minutes * MINUTE_MS:
            return None
        trigger, detail = next(iter(holds.items()))
        request = TrainingRequest(
            request_id=new_event_id(moment.now_ms),
            trigger=trigger,
            detail=detail,
            occurred_at_ms=moment.now_ms,
        )
        add_request(connection, request)
        return request


def _take_fresh(connection: sa.Connection, rows: Sequence[LoggedEvent]) -> list[LoggedEvent]:
    """The events that were not counted before; from now on they were."""
    fresh: list[LoggedEvent] = []
    ends: dict[tuple[str, int], int] = {}
    runs = [(at, list(run)) for at, run in groupby(rows, _place_of)]
    begins = read_next_offsets(connection, _CONSUMER, {at for at, _ in runs})
    for at, run in runs:
        begin = ends.get(at) or begins[at]
        new = run
        if new[0].offset < begin:
            new = [row for row in new if row.offset >= begin]
        if new:
            fresh += new
            ends[at] = new[-1].offset + 1
    write_next_offsets(connection, _CONSUMER, ends)
    return fresh


def _place_of(row: LoggedEvent) -> tuple[str, int]:
    return row.topic_id, row.partition


def _moment(connection: sa.Connection, now_ms: int) -> Moment:
    return Moment(
        now_ms=now_ms,
        asked_ms=max(newest_request_ms(connection), newest_model_ms(connection)),
        entities=entities_known(connection),
    )


def _message(request: TrainingRequest) -> training_pb2.TrainingRequested:
    message = training_pb2.TrainingRequested(
        request_id=request.request_id,
        trigger=_PROTO[Trigger(request.trigger)],
        detail=request.detail,
    )
    message.occurred_at.FromMilliseconds(request.occurred_at_ms)
    return message
