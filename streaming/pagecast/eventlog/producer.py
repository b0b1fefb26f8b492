"""Sends messages to the event log, as CloudEvents in Kafka's binary form."""

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import Message
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.eventlog.cloudevents import attributes
from pagecast.eventlog.connection import (
    REQUEST_TIMEOUT_MS,
    client_settings,
    create_no_topics,
    kafka_errors,
    wait_until_reachable,
)
from pagecast.eventlog.errors import BufferFull, PublishFailed, RecordTooLarge
from pagecast.eventlog.topics import DEAD_LETTER_BYTES_MAX, TOPICS

BUFFER_BYTES_MAX = 32 * 1024 * 1024
"""Bytes sent and not yet acknowledged. kafka-python 3 has no bound of its own: without one, a
producer faster than its broker takes all memory."""

BATCH_BYTES = 64 * 1024
"""Records to one partition that travel together: large enough to keep up, small enough to hold."""

LINGER_MS = 5
"""How long a record waits for company: nobody notices it, and bulk loading needs it."""

DELIVERY_TIMEOUT_MS = 30_000
"""When a record that is not acknowledged counts as failed: three requests' time."""

STUCK_S = (DELIVERY_TIMEOUT_MS + REQUEST_TIMEOUT_MS) / 1000
"""A record that is neither acknowledged nor failed by then never will be: after an outage that is
longer than the delivery timeout, kafka-python 3.0 may wait for ever for a new producer id."""

_RECORD_OVERHEAD_BYTES = 70

_BYTES_MAX = {topic.name: topic.record_bytes_max for topic in TOPICS}
"""Bytes of a record, by topic. A broker refuses more only after it was sent, and the embedded one
does not refuse it at all."""

OnSettled = Callable[[BaseException | None], None]
"""Told once how a record ended, None if acknowledged; runs on the client's thread: be quick."""


class EventProducer:
    """Sends protobuf messages. Idempotent, acknowledged by all replicas, safe with threads.

    `source` is the CloudEvents source of what is sent. `room_timeout_s` is how long `send` may
    wait for room in the buffer, for the topic's metadata and for a broker. Failures are reported
    by `flush`; a producer that has failed, or is stuck, connects anew with a later `send`, because
    a broker that has forgotten an idempotent producer never takes it back. Raises
    BrokerUnavailable.
    """

    def __init__(
        self,
        bootstrap: Bootstrap,
        *,
        source: str = "pagecast",
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
        room_timeout_s: float = 10.0,
    ) -> None:
        self._bootstrap = bootstrap
        self._source = source.encode()
        self._buffer_bytes_max = buffer_bytes_max
        self._room_timeout_s = room_timeout_s
        self._changed = threading.Condition()
        self._pending: dict[int, float] = {}
        self._numbers = itertools.count()
        self._pending_bytes = 0
        self._failed = 0
        self._failure: BaseException | None = None
        self._broken = False
        self._acknowledged: dict[tuple[str, int], int] = {}
        self._client = self._connect()

    @property
    def acknowledged(self) -> dict[tuple[str, int], int]:
        """By (topic, partition): the offset after the last record that was acknowledged.

        Empty after a failure: the topic may be a new one by then.
        """
        with self._changed:
            return dict(self._acknowledged)

    @property
    def unacknowledged(self) -> int:
        """Records sent and neither acknowledged nor failed."""
        return len(self._pending)

    def send(
        self,
        topic: str,
        key: str,
        message: Message,
        *,
        headers: Mapping[str, bytes] | None = None,
        on_settled: OnSettled | None = None,
    ) -> None:
        """Queues a message; `flush` says whether it arrived, or `on_settled` if it is given.

        An error raised here is not reported there. Raises RecordTooLarge, BufferFull,
        BrokerUnavailable, and PublishFailed if the topic does not exist.
        """
        told = {**attributes(message, self._source), **(headers or {})}
        value = message.SerializeToString()
        self.send_bytes(topic, key.encode(), value, told, on_settled=on_settled)

    def send_tombstone(self, topic: str, key: str) -> None:
        """Queues a record without a value: nothing is known of the key any more.

        A compacted topic then forgets the older records of the key. Raises what `send` raises.
        """
        self.send_bytes(topic, key.encode(), None, {})

    def send_bytes(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Mapping[str, bytes],
        *,
        on_settled: OnSettled | None = None,
    ) -> None:
        """Queues a record as it is. Raises what `send` raises."""
        size = _RECORD_OVERHEAD_BYTES + len(value or b"") + len(key or b"")
        size += sum(len(name) + len(content) for name, content in headers.items())
        if size > (limit := _BYTES_MAX.get(topic, DEAD_LETTER_BYTES_MAX)):
            raise RecordTooLarge(_too_large(topic, size, limit))
        self._give_up_if_stuck()
        number, client = self._admit(size)
        try:
            future = client.send(topic, value=value, key=key, headers=list(headers.items()))
        except MessageSizeTooLargeError as error:
            self._settle(number, size)
            raise RecordTooLarge(_too_large(topic, size, DEAD_LETTER_BYTES_MAX)) from error
        except KafkaError as error:
            self._settle(number, size)
            raise PublishFailed(
                f"{topic} cannot be written ({error}): see whether the topic exists "
                "(pagecast.eventlog.admin.ensure_topics) and the broker is well"
            ) from error
        future.add_both(self._on_answer, number, size, on_settled)

    def flush(self, timeout_s: float = DELIVERY_TIMEOUT_MS / 1000) -> None:
        """Waits until everything sent is settled. Raises PublishFailed for what failed or was not
        in time, except for what has an `on_settled`, which was told.

        What failed is not sent again: the caller still has it, and knows whether to.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._pending, timeout_s):
                raise PublishFailed(
                    f"{len(self._pending)} records were not acknowledged within {timeout_s:g} s: "
                    f"see whether the broker at {self._bootstrap} is well"
                )
            failed, self._failed = self._failed, 0
            failure, self._failure = self._failure, None
        if failure is not None:
            raise PublishFailed(
                f"{failed} records were not acknowledged, the first because of "
                f"{type(failure).__name__}: {failure}"
            ) from failure

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what is queued, if that is possible in time, and closes the connection.

        Raises PublishFailed if records are left, or failed since the last `flush`.
        """
        try:
            self.flush(timeout_s)
        finally:
            # Closing raises, and leaves its thread behind, while records are pending.
            self._client._sender.force_close()
            with kafka_errors("closing the producer"):
                self._client.close(timeout=timeout_s)

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
        wait_until_reachable(self._bootstrap, self._room_timeout_s)
        with kafka_errors(f"connecting to {self._bootstrap}"):
            client = KafkaProducer(
                **client_settings(self._bootstrap),
                batch_size=BATCH_BYTES,
                linger_ms=LINGER_MS,
                delivery_timeout_ms=max(DELIVERY_TIMEOUT_MS, REQUEST_TIMEOUT_MS + LINGER_MS),
                max_block_ms=int(self._room_timeout_s * 1000),
                max_request_size=DEAD_LETTER_BYTES_MAX,
            )
        create_no_topics(client._metadata)
        return client

    def _give_up_if_stuck(self) -> None:
        """Closes a client that will never settle its records: they fail, and are told so."""
        with self._changed:
            oldest_s = next(iter(self._pending.values()), None)
            if oldest_s is None or time.monotonic() - oldest_s <= STUCK_S:
                return
            self._broken = True
            client = self._client
        # Without the lock: the client's thread needs it, to say what failed.
        client._sender.force_close()
        with suppress(KafkaError):
            client.close(timeout=1.0)

    def _admit(self, size: int) -> tuple[int, Any]:
        """Waits for room, takes it, and returns its number and a client that has not failed."""
        with self._changed:
            if self._broken and not self._pending:
                with kafka_errors("closing the producer"):
                    self._client.close(timeout=1.0)
                self._client = self._connect()
                self._acknowledged = {}
                self._broken = False
            if not self._changed.wait_for(lambda: self._has_room(size), self._room_timeout_s):
                raise BufferFull(
                    f"{self._pending_bytes} bytes wait for the broker at {self._bootstrap}: "
                    "send more slowly, or see whether it is well"
                )
            number = next(self._numbers)
            self._pending[number] = time.monotonic()
            self._pending_bytes += size
            return number, self._client

    def _has_room(self, size: int) -> bool:
        return not self._pending or self._pending_bytes + size <= self._buffer_bytes_max

    def _settle(self, number: int, size: int) -> None:
        with self._changed:
            del self._pending[number]
            self._pending_bytes -= size
            self._changed.notify_all()

    def _on_answer(self, number: int, size: int, on_settled: OnSettled | None, answer: Any) -> None:
        failed = isinstance(answer, BaseException)
        with self._changed:
            if failed:
                self._broken = True
                if on_settled is None:
                    self._failed += 1
                    self._failure = self._failure or answer
            else:
                at = (answer.topic, answer.partition)
                self._acknowledged[at] = max(self._acknowledged.get(at, 0), answer.offset + 1)
        try:
            # Before it is settled, so that all that `flush` has waited for was told.
            if on_settled is not None:
                on_settled(answer if failed else None)
        finally:
            self._settle(number, size)


def _too_large(topic: str, size: int, limit: int) -> str:
    return f"a record of {size} bytes for {topic}, which takes {limit}: send less at a time"
