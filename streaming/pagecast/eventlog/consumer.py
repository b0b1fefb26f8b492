"""Reads the event log, as a member of a consumer group or alone."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from operator import attrgetter
from types import TracebackType
from typing import Any, Self

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import (
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from kafka.structs import MemberState

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.connection import client_settings, create_no_topics, kafka_errors
from pagecast.eventlog.errors import Fenced, LogTruncated
from pagecast.eventlog.record import Record

SESSION_TIMEOUT_MS = 6_000
"""When a silent member is taken for dead: the least that Kafka allows by default, so that another
takes over soon. The embedded broker makes a joining member wait for half of it."""

FETCH_WAIT_MS_MAX = 20
"""How long the broker may hold an empty answer. The embedded one looks again only then: with 100
the median delay of an event is 27 ms, with 20 it is 6 ms for 0.14 cores of polling."""

LOG_CHECK_INTERVAL_S = 1.0
"""How often an idle consumer asks whether the topics are still the ones it reads."""

COMMIT_TIMEOUT_MS = 5_000
"""A commit can be repeated and must not hold up the work."""

CLOSE_TIMEOUT_MS = 1_000
"""Leaving the group is polite, not necessary, and can hang without a bound."""

_PARTS = attrgetter("topic", "partition", "offset", "timestamp", "key", "value", "headers")
"""The fields of a kafka-python record."""

log = structlog.get_logger(__name__)


class EventConsumer:
    """Reads records of some topics, each once, in the order of their partitions.

    With a `group` the partitions are shared among its members, and reading begins after what the
    group has committed, or at the beginning. Without one (None) every partition is read from the
    beginning. One consumer per process, used by one thread. Raises BrokerUnavailable, TopicMissing.

    Records carry the id of the log they were read from. It is asked for before the first fetch and
    after every one: ids are never used twice, so if both answers are the same, all that was fetched
    between them comes from that log. If they differ, what was fetched is thrown away and reading
    begins again on the new log.
    """

    def __init__(
        self,
        bootstrap: Bootstrap,
        group: str | None,
        topics: Collection[str],
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        fetch_wait_ms: int = FETCH_WAIT_MS_MAX,
    ) -> None:
        self._bootstrap = bootstrap
        self._group = group
        self._topics = sorted(topics)
        self._session_timeout_ms, self._fetch_wait_ms = session_timeout_ms, fetch_wait_ms
        self._epoch = 0
        self._unchecked: list[Any] = []
        self._positions: dict[tuple[str, int], int] = {}
        self._client: Any = None
        self._admin = Admin(bootstrap)
        try:
            self._topic_ids = self._admin.ids_of(self._topics)
            self._checked_at_s = time.monotonic()
            self._client = self._connect()
        except BaseException:
            self._admin.close()
            raise

    @property
    def topic_ids(self) -> Mapping[str, str]:
        """What identifies the log of each topic."""
        return self._topic_ids

    @property
    def epoch(self) -> int:
        """Grows when partitions come or go and when a log is replaced: look after every `poll`.

        What was worked out from records polled before, and not committed, is then void.
        """
        return self._epoch

    def poll(self, records_max: int, timeout_ms: int) -> list[Record]:
        """Returns records as soon as there are any, at most `records_max`; none after `timeout_ms`.

        Raises BrokerUnavailable (nothing is lost: poll again), TopicMissing, and LogTruncated.
        """
        if not self._unchecked:
            self._unchecked = self._fetch(records_max, timeout_ms)
        idle_s = time.monotonic() - self._checked_at_s
        if self._unchecked or idle_s >= LOG_CHECK_INTERVAL_S:
            self._check_logs()
        fetched, self._unchecked = self._unchecked, []
        return self._records(fetched)

    def commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Commits the next offset to read, by (topic, partition).

        Raises Fenced if the partitions belong to another member, and BrokerUnavailable.
        """
        offsets = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)
            for (topic, partition), offset in positions.items()
        }
        self._check_logs()
        if self._client is None:
            raise Fenced("committing offsets: the log they belong to is gone")
        with kafka_errors("committing offsets"):
            self._client.commit(offsets, timeout_ms=COMMIT_TIMEOUT_MS)

    def lag(self) -> dict[tuple[str, int], int]:
        """Records in the log that were not polled yet, by (topic, partition); as of the last fetch.

        Partitions of which this consumer has polled nothing are left out.
        """
        positions = self._positions
        return {
            at: max(0, end - positions[at]) for at, end in self.ends().items() if at in positions
        }

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the newest record, by (topic, partition), as of the last fetch.

        Partitions that have not answered a fetch yet are left out.
        """
        client = self._client
        assigned = client.assignment() if client is not None else ()
        return {
            (at.topic, at.partition): end
            for at in assigned
            if (end := client.highwater(at)) is not None
        }

    def close(self) -> None:
        """Leaves the group, so that others take over at once. Commits nothing."""
        self._admin.close()
        self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _connect(self) -> Any:
        with kafka_errors(f"connecting to {self._bootstrap}"):
            client = KafkaConsumer(
                **client_settings(self._bootstrap),
                group_id=self._group,
                enable_auto_commit=False,
                # Where to begin is decided here: a silent jump would lose events.
                auto_offset_reset="none",
                isolation_level="read_committed",
                fetch_max_wait_ms=self._fetch_wait_ms,
                session_timeout_ms=self._session_timeout_ms,
                heartbeat_interval_ms=self._session_timeout_ms // 4,
            )
            create_no_topics(client._cluster)
            if self._group is not None:
                client.subscribe(self._topics, listener=_Listener(self._begin_epoch))
                return client
            partitions = self._admin.partitions_of(self._topics)
            client.assign([TopicPartition(t, p) for t, n in partitions.items() for p in range(n)])
            client.seek_to_beginning()
            return client

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        # A broker that is gone finds out by itself.
        with suppress(KafkaError):
            self._finish_joining(client)
        with suppress(KafkaError):
            client.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _finish_joining(self, client: Any) -> None:
        """The embedded broker never forgets a leader that leaves while the group is forming: no
        other member could ever join it again. Where that takes too long, because others have died,
        the session is left to end by itself."""
        deadline = time.monotonic() + self._session_timeout_ms / 1000
        while client.group_metadata().state is MemberState.REBALANCING:
            if time.monotonic() >= deadline:
                # A member without an id does not say that it leaves.
                client._coordinator.reset_generation()
                return
            client.poll(timeout_ms=50, max_records=1)

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._positions.clear()

    def _fetch(self, records_max: int, timeout_ms: int) -> list[Any]:
        if self._client is None:
            self._client = self._connect()
        with kafka_errors("polling"):
            try:
                batches = self._client.poll(timeout_ms=timeout_ms, max_records=records_max)
            except NoOffsetForPartitionError as error:
                self._client.seek_to_beginning(*error.args[0])
                return []
            except (OffsetOutOfRangeError, LogTruncationError) as error:
                raise LogTruncated(
                    f"records to be read next were deleted ({error}): if they can be done "
                    f"without, give the group {self._group} new offsets, else restore the topic"
                ) from error
        return [record for batch in batches.values() for record in batch]

    def _check_logs(self) -> None:
        topic_ids = self._admin.ids_of(self._topics)
        self._checked_at_s = time.monotonic()
        if topic_ids == self._topic_ids:
            return
        changed = sorted(t for t in topic_ids if topic_ids[t] != self._topic_ids[t])
        log.warning("topics were made anew", topics=changed)
        self._topic_ids = topic_ids
        self._unchecked = []
        self._begin_epoch()
        # Buffers, positions and the fetch session belong to the log that is gone.
        self._disconnect()

    def _records(self, fetched: list[Any]) -> list[Record]:
        """What the client has fetched, as records; moves the positions past them."""
        ids = self._topic_ids
        records = [
            Record(topic, ids[topic], partition, offset, key, value, headers, timestamp_ms)
            for topic, partition, offset, timestamp_ms, key, value, headers in map(_PARTS, fetched)
        ]
        self._positions.update({(r.topic, r.partition): r.offset + 1 for r in records})
        return records


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Called on kafka-python's own thread, while `poll` waits."""

    def __init__(self, begin_epoch: Callable[[], None]) -> None:
        self._begin_epoch = begin_epoch

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if revoked:
            self._begin_epoch()

    def on_partitions_assigned(self, _assigned: Collection[TopicPartition]) -> None:
        self._begin_epoch()
