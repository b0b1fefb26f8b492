"""Requests in the event log become waiting trainings, each once."""

import threading
from collections.abc import Sequence
from dataclasses import asdict

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.dead_letters import write_dead_letters
from pagecast.eventlog.errors import EventLogError
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import TOPICS, TRAININGS, dead_letter
from pagecast.eventlog.validation import training_requested_of
from pagecast.featurestore.trainings.orders import OrderError, order_of
from pagecast.featurestore.trainings.trainings import QueueFull, RequestDiffers, Trainings

GROUP = "pagecast-trainer"
"""Consumer group: the trainers share the requests."""

ASKED_BY = "topic"

POLL_RECORDS_MAX = 100
"""Most records of a poll: requests come minutes apart."""

POLL_MS = 500
"""How long a poll waits: within this time the thread notices that it is to end."""

FETCH_WAIT_MS = 500
"""How long the broker may hold an empty answer. A training takes minutes: nobody misses the half
second, and asking fifty times a second takes a tenth of a core."""

PAUSE_S = 5.0
"""Seconds before another try, if the broker or the database is away or too many trainings wait."""

_OWN_TOPICS = tuple(t for t in TOPICS if t.name in (TRAININGS, dead_letter(TRAININGS)))

_log = structlog.get_logger(__name__)


class RequestReader:
    """Reads the topic in a thread of its own until it is stopped.

    Offsets are committed once the requests are in the database, and invalid ones in the dead
    letters. A request that comes again is the same one: so none is lost and none runs twice.
    """

    def __init__(
        self, bootstrap: Bootstrap, trainings: Trainings, *, pause_s: float = PAUSE_S
    ) -> None:
        self._bootstrap, self._trainings, self._pause_s = bootstrap, trainings, pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="training-requests", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread; returns when it has left its group."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                ensure_topics(self._bootstrap, _OWN_TOPICS)
                with (
                    EventProducer(self._bootstrap, source="pagecast/trainer") as producer,
                    EventConsumer(
                        self._bootstrap, GROUP, [TRAININGS], fetch_wait_ms=FETCH_WAIT_MS
                    ) as consumer,
                ):
                    self._read(consumer, producer)
            except (EventLogError, OperationalError, InterfaceError, QueueFull) as error:
                # What was polled and not committed is read again by the next consumer.
                _log.warning("training_requests_not_read", reason=str(error))
                self._stopping.wait(self._pause_s)

    def _read(self, consumer: EventConsumer, producer: EventProducer) -> None:
        while not self._stopping.is_set():
            records = consumer.poll(POLL_RECORDS_MAX, POLL_MS)
            judged = [(record, self._take(record)) for record in records]
            refused = [(record, why) for record, why in judged if why is not None]
            if refused:
                _refuse(producer, refused)
            if records:
                ends = {(r.topic, r.partition): r.offset + 1 for r in records}
                consumer.commit(ends)

    def _take(self, record: Record) -> Rejection | None:
        """Returns why a record is refused, if it is: then nothing waits behind it."""
        request = training_requested_of(record)
        if isinstance(request, Rejection):
            return request
        try:
            self._trainings.ask(
                request.request_id, order_of(request), asked_by=ASKED_BY, detail=request.detail
            )
        except OrderError as error:
            return Rejection(reason=Reason.RULE_BROKEN, field=error.field, detail=str(error))
        except RequestDiffers as error:
            return Rejection(reason=Reason.RULE_BROKEN, field="request_id", detail=str(error))
        return None


def _refuse(producer: EventProducer, refused: Sequence[tuple[Record, Rejection]]) -> None:
    write_dead_letters(producer, refused)
    first, why = refused[0]
    # One line a poll, as ingest does it.
    _log.warning(
        "training_requests_refused", records=len(refused), offset=first.offset, **asdict(why)
    )
