"""The consumer on confluent-kafka (librdkafka) instead of kafka-python: a fraction of the CPU.

It does what `EventConsumer` promises, and leaves to it what does not depend on the client: which
log is read, epochs, lag. librdkafka joins, fetches and parses in threads of its own, and hands
everything to the thread that polls: rebalances too, so that nothing here needs a lock.
"""

import logging
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.consumer import (
    CLOSE_TIMEOUT_MS,
    COMMIT_TIMEOUT_MS,
    SESSION_TIMEOUT_MS,
    EventConsumer,
)
from pagecast.eventlog.errors import BrokerUnavailable, EventLogError, Fenced, LogTruncated
from pagecast.eventlog.fast_errors import AWAY, FENCED, TRUNCATED, client_errors
from pagecast.eventlog.fast_settings import consumer_settings
from pagecast.eventlog.record import Record

CLOSE_STEP_S = 0.05

ANSWER_STEP_S = 0.001
"""An answer takes about a millisecond; five seconds of steps keep at most 5,000 records."""

_log = logging.getLogger(__name__)


class FastConsumer(EventConsumer):
    """`EventConsumer` on librdkafka."""

    def __init__(
        self,
        bootstrap: Bootstrap,
        group: str | None,
        topics: Collection[str],
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
    ) -> None:
        self._owned: set[tuple[str, int]] = set()
        self._joining = False
        self._waiting: list[Any] = []
        self._answers: list[KafkaError | None] = []
        super().__init__(bootstrap, group, topics, session_timeout_ms=session_timeout_ms)

    def commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Commits the next offset to read, by (topic, partition).

        Raises Fenced if the partitions belong to another member, and BrokerUnavailable.
        """
        self._check_logs()
        if self._client is None or not positions.keys() <= self._owned:
            # The broker itself takes any offset from a client that is no member of the group.
            raise Fenced("committing offsets: the partitions belong to another member, or are gone")
        offsets = [TopicPartition(topic, p, at) for (topic, p), at in positions.items()]
        with client_errors("committing offsets"):
            self._answers.clear()
            self._client.commit(offsets=offsets, asynchronous=True)
            self._wait_for_answer()

    def _wait_for_answer(self) -> None:
        """librdkafka's own waiting has no bound. What arrives meanwhile is kept for the next poll.

        Raises BrokerUnavailable and KafkaException.
        """
        until = time.monotonic() + COMMIT_TIMEOUT_MS / 1000
        while not self._answers:
            if time.monotonic() >= until:
                # A later answer would be taken for that of another commit.
                self._disconnect()
                raise BrokerUnavailable(
                    f"committing offsets: no answer within {COMMIT_TIMEOUT_MS} ms"
                )
            arrived = self._client.consume(1, ANSWER_STEP_S)
            if arrived:
                self._waiting += arrived
                time.sleep(ANSWER_STEP_S)
        if self._answers[0] is not None:
            raise KafkaException(self._answers[0])

    def ends(self) -> dict[tuple[str, int], int]:
        """As in `EventConsumer`, but of the partitions it has polled."""
        ends = {}
        for topic, partition in self._positions if self._client is not None else ():
            marks = self._client.get_watermark_offsets(
                TopicPartition(topic, partition), cached=True
            )
            if marks is not None and marks[1] >= 0:
                ends[topic, partition] = marks[1]
        return ends

    def _connect(self) -> Any:
        settings = consumer_settings(
            self._bootstrap, self._group, self._session_timeout_ms, self._on_commit
        )
        client = Consumer(settings, logger=_log)
        if self._group is not None:
            self._joining = True
            client.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
            return client
        partitions = self._admin.partitions_of(self._topics)
        client.assign(
            [
                TopicPartition(t, p, OFFSET_BEGINNING)
                for t, n in partitions.items()
                for p in range(n)
            ]
        )
        return client

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        self._owned.clear()
        self._waiting.clear()
        if client is None:
            return
        # A broker that is gone finds out by itself.
        with suppress(KafkaException, EventLogError):
            self._finish_joining(client)
        # Closing waits without a bound for the answers to what was asked of a broker that is gone.
        closing = threading.Thread(target=_close, args=(client,), daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_MS / 1000)

    def _finish_joining(self, client: Any) -> None:
        """The embedded broker never forgets a leader that leaves while the group is forming: no
        other member could ever join it again."""
        deadline = time.monotonic() + self._session_timeout_ms / 1000
        while self._joining and time.monotonic() < deadline:
            client.consume(1, CLOSE_STEP_S)

    def _fetch(self, records_max: int, timeout_ms: int) -> list[Any]:
        if self._client is None:
            self._client = self._connect()
        epoch = self._epoch
        try:
            with client_errors("polling"):
                fetched = self._consume(records_max, timeout_ms)
        except EventLogError as error:
            # A rebalance that could not be finished leaves it without partitions.
            self._disconnect()
            if isinstance(error, Fenced):
                raise BrokerUnavailable(str(error)) from error
            raise
        if any(message.error() is not None for message in fetched):
            fetched = [message for message in fetched if self._is_record(message)]
        if epoch != self._epoch:
            return [m for m in fetched if (m.topic(), m.partition()) in self._owned]
        return fetched

    def _consume(self, records_max: int, timeout_ms: int) -> list[Any]:
        """librdkafka waits for all that is asked for: so first what there is, then one."""
        if self._waiting:
            fetched, self._waiting = self._waiting[:records_max], self._waiting[records_max:]
            return fetched
        fetched = list(self._client.consume(records_max, 0))
        if not fetched:
            fetched = list(self._client.consume(1, timeout_ms / 1000))
            if fetched and records_max > 1:
                fetched += self._client.consume(records_max - 1, 0)
        return fetched

    def _is_record(self, message: Any) -> bool:
        error = message.error()
        if error is None:
            return True
        if error.code() in TRUNCATED:
            raise LogTruncated(
                f"records to be read next were deleted ({error.str()}): if they can be done "
                f"without, give the group {self._group} new offsets, else restore the topic"
            )
        if error.fatal() or not (error.retriable() or error.code() in AWAY | FENCED):
            raise EventLogError(f"polling: {error.str()}")
        _log.warning("%s", error.str())
        return False

    def _begin_epoch(self) -> None:
        super()._begin_epoch()
        self._waiting.clear()

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        refused = (at.error for at in partitions if at.error is not None)
        self._answers.append(error or next(refused, None))

    def _on_assign(self, client: Any, partitions: list[TopicPartition]) -> None:
        self._joining = False
        if client is not self._client:
            return
        self._begin_epoch()
        self._owned |= {(at.topic, at.partition) for at in partitions}
        begin = client.committed(partitions, timeout=COMMIT_TIMEOUT_MS / 1000)
        for at in begin:
            if at.error is not None:
                raise KafkaException(at.error)
            if at.offset < 0:
                at.offset = OFFSET_BEGINNING
        client.assign(begin)

    def _on_revoke(self, client: Any, partitions: list[TopicPartition]) -> None:
        if client is not self._client:
            # One that is being closed, in another thread.
            return
        self._joining = True
        if partitions:
            self._begin_epoch()
        self._owned -= {(at.topic, at.partition) for at in partitions}

    def _records(self, fetched: list[Any]) -> list[Record]:
        ids, positions = self._topic_ids, self._positions
        records = []
        for message in fetched:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            _, timestamp_ms = message.timestamp()
            key, value, headers = message.key(), message.value(), message.headers() or ()
            records.append(
                Record(topic, ids[topic], partition, offset, key, value, headers, timestamp_ms)
            )
            positions[topic, partition] = offset + 1
        return records


def _close(client: Any) -> None:
    with suppress(KafkaException):
        client.close()
