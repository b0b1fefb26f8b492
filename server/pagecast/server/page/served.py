"""Step 9 of the life of a page: what was delivered is reported to the event log.

Off the request's path: a page is never late, and never fails, because of Kafka.
"""

import threading
from collections.abc import Sequence

import structlog

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.errors import RecordTooLarge
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import PAGES, TOPICS
from pagecast.server.metrics import Metrics
from pagecast.server.page.waiting_reports import WaitingReports
from pagecast.v1 import events_pb2

_log = structlog.get_logger(__name__)

SOURCE = "pagecast/server"
"""CloudEvents source of the records."""

REPORTS_MAX = 4096
"""Reports that wait for Kafka, about 8 MB; any beyond are lost, and counted."""

REPORTS_BYTES_MAX = 32 * 1024 * 1024
"""The same in bytes, for pages that are unusually large."""

BATCH_MAX = 256
"""Reports sent before waiting for their delivery, so that failures are noticed soon."""

FLUSH_TIMEOUT_S = 5.0
"""A broker that takes longer is treated as gone; a drain waits this long for the last reports."""

SENDS_MAX = 20
"""How often the oldest report is sent before it is given up: for longer than a change of leaders
takes, but one that Kafka never takes must not hold up all those after it."""

PAUSE_S = 1.0
"""Between two attempts to reach a broker that is gone."""

IDLE_S = 0.1
"""How long the thread sleeps before it checks whether it should end."""


class PageReporter:
    """Sends PageServed records from a thread of its own. Call `close` in the end."""

    def __init__(self, bootstrap_servers: Bootstrap, metrics: Metrics) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._outcomes = metrics.pages_reported
        self._reports = WaitingReports(REPORTS_MAX, REPORTS_BYTES_MAX)
        self._sends = 0
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="page-reporter", daemon=True)
        self._thread.start()

    def report(self, page: events_pb2.PageServed) -> None:
        """Never waits and never raises."""
        if not self._reports.put(page):
            self._outcomes.labels(outcome="lost").inc()

    def close(self) -> None:
        """Sends what waits, if that is possible in time, and ends the thread."""
        self._stopping.set()
        self._thread.join(FLUSH_TIMEOUT_S)
        if left := len(self._reports):
            self._outcomes.labels(outcome="lost").inc(left)
            _log.warning("served_pages_lost", pages=left)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                # A new connection after every failure: the broker may have forgotten the topic.
                with self._connect() as producer:
                    self._send_all(producer)
            except Exception as error:  # whatever fails here, pages are still served
                if not self._failing:
                    _log.warning("served_pages_not_reported", error=str(error))
                self._failing = True
                self._stopping.wait(PAUSE_S)

    def _connect(self) -> EventProducer:
        with Admin(self._bootstrap_servers, timeout_s=FLUSH_TIMEOUT_S) as admin:
            admin.create_missing([topic for topic in TOPICS if topic.name == PAGES])
        return EventProducer(self._bootstrap_servers, source=SOURCE, room_timeout_s=FLUSH_TIMEOUT_S)

    def _send_all(self, producer: EventProducer) -> None:
        """Sends until the end. If one report of a batch fails, the whole batch is sent again over
        the next connection: a reader that meets a page twice recognises it."""
        while not self._stopping.is_set() or len(self._reports):
            # Smaller with each try, so that one page that Kafka never takes is given up alone.
            batch = self._reports.first(max(1, BATCH_MAX >> self._sends), IDLE_S)
            try:
                sent = self._send(producer, batch)
            except Exception:
                self._sends += 1
                if self._sends >= SENDS_MAX:
                    self._settle(sent=0, failed=len(batch))
                raise
            self._settle(sent=sent, failed=len(batch) - sent)
            self._failing = False

    def _send(self, producer: EventProducer, batch: Sequence[events_pb2.PageServed]) -> int:
        """Returns how many the topic takes, once they are acknowledged."""
        sent = 0
        for page in batch:
            try:
                producer.send(PAGES, page.user_id, page)
                sent += 1
            except RecordTooLarge as error:
                _log.warning("served_page_not_reported", page_id=page.page_id, error=str(error))
        producer.flush(FLUSH_TIMEOUT_S)
        return sent

    def _settle(self, *, sent: int, failed: int) -> None:
        self._reports.drop(sent + failed)
        self._sends = 0
        self._outcomes.labels(outcome="sent").inc(sent)
        self._outcomes.labels(outcome="failed").inc(failed)
