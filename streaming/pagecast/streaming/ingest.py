"""The ingest worker: steps 2 to 8 of the life of an event, for four topics.

The numbers in comments here, in `batch`, `interactions` and `uncommitted` are those of
docs/architecture.md.
"""

import gc
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import structlog
from prometheus_client import start_http_server

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.clients import open_consumer
from pagecast.eventlog.consumer import EventConsumer
from pagecast.eventlog.errors import Fenced
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.streaming.batch import TOPICS_INGESTED, BatchWriter
from pagecast.streaming.config import IngestConfig, OnLogChange
from pagecast.streaming.metrics import CONSUMER_LAG_RECORDS
from pagecast.streaming.retry import TRANSIENT, retrying
from pagecast.streaming.stores import Stores
from pagecast.streaming.triggers import Triggers
from pagecast.streaming.uncommitted import Uncommitted

COLLECT = (50_000, 20, 50)
"""Thresholds of Python's collector. A batch makes a hundred thousand tuples that live until they
are in the offline log; at the default of 700 the collector took a quarter of the worker's time."""

TRIGGERS_IDLE_S = 10.0
"""How often a worker without events looks whether a training is due: schedules are in hours."""

log = structlog.get_logger(__name__)


class LogReplaced(Exception):  # noqa: N818 - named by what is wrong, as the others are
    """The interaction topic is not the one that the stores were built from."""


class PortTakenError(OSError):
    """The port of /metrics cannot be listened on; the message names the setting."""


@dataclass(frozen=True, kw_only=True)
class IngestReady:
    """What a worker says when it has joined its group."""

    metrics_port: int | None


def run_worker(config: IngestConfig, on_ready: Callable[[IngestReady], None] | None = None) -> None:
    """Runs a worker until SIGTERM or SIGINT. Call it in the main thread of a process.

    Raises what `IngestWorker.run` raises: then the process should end with an error.
    """
    stop = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }

    def ready(worker: IngestReady) -> None:
        # What is imported and opened stays: the collector need not look at it again and again.
        gc.freeze()
        if on_ready is not None:
            on_ready(worker)

    gc.set_threshold(*COLLECT)
    try:
        IngestWorker(config).run(stop, ready)
    finally:
        gc.unfreeze()
        for number, handler in previous.items():
            signal.signal(number, handler)


class IngestWorker:
    """One member of the consumer group. Run one per process."""

    def __init__(self, config: IngestConfig) -> None:
        self._config = config

    def run(
        self, stop: threading.Event, on_ready: Callable[[IngestReady], None] | None = None
    ) -> None:
        """Works until `stop` is set. `on_ready` is called once, when it has joined the group.

        Raises PortTakenError, LogReplaced, LogTruncated, what is in `retry.TRANSIENT` if it lasts
        too long, and anything that is a fault. Nothing is lost then: another worker goes on from
        the commits.
        """
        try:
            with ExitStack() as exits:
                _Loop(self._config, stop, exits).run(on_ready)
        except TRANSIENT:
            if not stop.is_set():
                raise


class _Loop:
    """A running worker; what it opens is closed by `exits`."""

    def __init__(self, config: IngestConfig, stop: threading.Event, exits: ExitStack) -> None:
        self._config = config
        self._stop = stop
        self._retrying = retrying(stop, config.retry_seconds_max)
        self._metrics_port = _serve_metrics(config, exits)
        self._stores = exits.enter_context(Stores.open(config))
        bootstrap = config.bootstrap_servers
        self._retrying(ensure_topics, bootstrap)
        self._producer: EventProducer = exits.enter_context(
            self._retrying(EventProducer, bootstrap, source="pagecast/ingest")
        )
        self._consumer: EventConsumer = exits.enter_context(
            self._retrying(
                open_consumer,
                bootstrap,
                config.group,
                TOPICS_INGESTED,
                session_timeout_ms=config.session_timeout_ms,
                client=config.kafka_client,
            )
        )
        self._uncommitted = Uncommitted(
            self._stores.offline, self._stores.eraser, config.offline_flush_ms
        )
        self._batches = BatchWriter(self._stores, self._producer, self._uncommitted, config.fold)
        self._triggers = Triggers(self._stores.engine, config.triggers)
        self._looked_s = time.monotonic()
        self._topic_id = ""

    def run(self, on_ready: Callable[[IngestReady], None] | None) -> None:
        epoch = self._begin_epoch()
        while not self._stop.is_set():
            # 2. Poll a batch. It begins after what was committed.
            records = self._retrying(self._poll)
            if self._consumer.epoch != epoch:
                epoch = self._begin_epoch()
                if on_ready is not None:
                    on_ready(IngestReady(metrics_port=self._metrics_port))
                    on_ready = None
            if records:
                # 3. to 6a. and 8. Write it, and measure.
                self._retrying(self._batches.ingest, records)
            idle_s = time.monotonic() - self._looked_s
            if self._uncommitted.is_due() or idle_s >= TRIGGERS_IDLE_S:
                self._retrying(self._commit)
        with suppress(*TRANSIENT):
            self._commit()

    def _begin_epoch(self) -> int:
        """Forgets everything that was held: the partitions, or the log, are other ones."""
        CONSUMER_LAG_RECORDS.clear()
        self._retrying(self._batches.abandon, self._topic_id)
        offline = self._stores.offline
        logged = offline.positions()
        self._uncommitted.begin_epoch({**logged, **offline.page_positions()})
        known = {topic_id for topic_id, _ in logged} | ({self._topic_id} - {""})
        self._topic_id = self._consumer.topic_ids[INTERACTIONS]
        if known and self._topic_id not in known:
            if self._config.on_log_change is OnLogChange.STOP:
                raise LogReplaced(
                    f"{INTERACTIONS} has id {self._topic_id}, the stores were built from "
                    f"{', '.join(sorted(known))}: the topic was made anew. Restore it, or set "
                    "on_log_change to restart to begin the histories anew from what is in it"
                )
            log.warning("histories begin anew from another log", topic_id=self._topic_id)
        return self._consumer.epoch

    def _poll(self) -> list[Record]:
        return self._consumer.poll(self._config.batch_records_max, self._config.poll_ms)

    def _commit(self) -> None:
        """Steps 6b and 7."""
        # Counted by offset, like popularity: a repetition is harmless.
        self._triggers.observe(self._uncommitted.rows, _now_ms())
        self._looked_s = time.monotonic()
        try:
            self._uncommitted.commit(self._consumer)
        except Fenced as error:
            # The next poll joins the group again, and reads again what was not committed.
            log.warning("not committed", reason=str(error))
            self._batches.abandon(self._topic_id)
            self._uncommitted.begin_epoch({})
            return
        self._triggers.publish(self._producer, _now_ms())
        for (topic, partition), records in self._consumer.lag().items():
            CONSUMER_LAG_RECORDS.labels(topic=topic, partition=str(partition)).set(records)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _serve_metrics(config: IngestConfig, exits: ExitStack) -> int | None:
    if config.metrics_port is None:
        return None
    try:
        server, thread = start_http_server(config.metrics_port, addr="127.0.0.1")
    except OSError as error:
        raise PortTakenError(
            f"metrics_port {config.metrics_port} is taken: choose another, or 0 for a free one"
        ) from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    exits.callback(close)
    return int(server.server_port)
