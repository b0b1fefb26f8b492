"""Step 9 of the life of a page: what was delivered is reported to the event log.

Off the request's path: a page is never late, and never fails, because of Kafka.
"""

import queue
import threading
from contextlib import suppress

import structlog

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import PAGES, TOPICS
from pagecast.server.metrics import Metrics
from pagecast.v1 import events_pb2

_log = structlog.get_logger(__name__)

SOURCE = "pagecast/server"
"""CloudEvents source of the records."""

REPORTS_MAX = 4096
"""Reports that wait for Kafka, about 8 MB; above it they are lost, and counted."""

BATCH_MAX = 256
"""Reports sent before their delivery is waited for: so failures are noticed soon."""

FLUSH_TIMEOUT_S = 5.0
"""A broker that takes longer is treated as gone; a drain waits this long for the last reports."""

PAUSE_S = 1.0
"""Between two attempts to reach a broker that is gone."""

IDLE_S = 0.1
"""How long the thread sleeps before it looks whether it should end."""


class PageReporter:
    """Sends PageServed records from a thread of its own. Call `close` in the end."""

    def __init__(self, bootstrap_servers: str, metrics: Metrics) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._outcomes = metrics.pages_reported
        self._reports: queue.Queue[events_pb2.PageServed] = queue.Queue(REPORTS_MAX)
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="page-reporter", daemon=True)
        self._thread.start()

    def report(self, page: events_pb2.PageServed) -> None:
        """Never waits and never raises."""
        try:
            self._reports.put_nowait(page)
        except queue.Full:
            self._outcomes.labels(outcome="lost").inc()

    def close(self) -> None:
        """Sends what waits, if that is possible in time, and ends the thread."""
        self._stopping.set()
        self._thread.join(FLUSH_TIMEOUT_S)
        if left := self._reports.qsize():
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
        """Until the end. All of a batch counts as failed if one of it does."""
        while not (self._stopping.is_set() and self._reports.empty()):
            batch = self._take()
            try:
                for page in batch:
                    producer.send(PAGES, page.user_id, page)
                producer.flush(FLUSH_TIMEOUT_S)
            except Exception:
                self._outcomes.labels(outcome="failed").inc(len(batch))
                raise
            self._outcomes.labels(outcome="sent").inc(len(batch))
            self._failing = False

    def _take(self) -> list[events_pb2.PageServed]:
        """What waits, at most BATCH_MAX; waits a little for the first one."""
        batch: list[events_pb2.PageServed] = []
        with suppress(queue.Empty):
            batch.append(self._reports.get(timeout=IDLE_S))
            while len(batch) < BATCH_MAX:
                batch.append(self._reports.get_nowait())
        return batch
