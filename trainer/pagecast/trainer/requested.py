"""Requests of the event log become trainings that wait, each once."""

import threading

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.errors import EventLogError
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import TRAININGS
from pagecast.eventlog.validation import Rejection, training_requested_of
from pagecast.featurestore.training_orders import OrderError, TrainingOrder
from pagecast.featurestore.trainings import QueueFull, RequestDiffers, Trainings

GROUP = "pagecast-trainer"
"""Consumer group: the trainers share the requests."""

ASKED_BY = "topic"

POLL_RECORDS_MAX = 100
"""Requests come one in minutes."""

POLL_MS = 500
"""How long a poll waits: as soon as this the thread notices that it is to end."""

PAUSE_S = 5.0
"""Before another try, where the broker or the database is away or too many trainings wait."""

_log = structlog.get_logger(__name__)


class RequestReader:
    """Reads the topic in a thread of its own until it is stopped.

    Offsets are committed once the requests are in the database, and a request that comes again is
    the same one: so none is lost and none runs twice.
    """

    def __init__(self, bootstrap: str, trainings: Trainings, *, pause_s: float = PAUSE_S) -> None:
        self._bootstrap, self._trainings, self._pause_s = bootstrap, trainings, pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="training-requests", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when it has left its group."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with EventConsumer(self._bootstrap, GROUP, [TRAININGS]) as consumer:
                    self._read(consumer)
            except (EventLogError, OperationalError, InterfaceError, QueueFull) as error:
                # What was polled and not committed is read again by the next consumer.
                _log.warning("training_requests_not_read", reason=str(error))
                self._stopping.wait(self._pause_s)

    def _read(self, consumer: EventConsumer) -> None:
        while not self._stopping.is_set():
            records = consumer.poll(POLL_RECORDS_MAX, POLL_MS)
            for record in records:
                self._take(record)
            if records:
                ends = {(r.topic, r.partition): r.offset + 1 for r in records}
                consumer.commit(ends)

    def _take(self, record: Record) -> None:
        """A request that is none is told and passed over: nothing waits behind it."""
        request = training_requested_of(record)
        if isinstance(request, Rejection):
            _refused(record, f"{request.reason} {request.field}: {request.detail}")
            return
        try:
            self._trainings.ask(
                request.request_id, TrainingOrder(), asked_by=ASKED_BY, detail=request.detail
            )
        except (OrderError, RequestDiffers) as error:
            _refused(record, str(error))


def _refused(record: Record, reason: str) -> None:
    _log.error("training_request_refused", offset=record.offset, reason=reason)
