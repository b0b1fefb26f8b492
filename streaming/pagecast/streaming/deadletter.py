"""Where records go that were refused: nothing is dropped, and nothing waits for them."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from pagecast.eventlog.errors import RecordTooLarge
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import RECORD_BYTES_MAX, dead_letter
from pagecast.eventlog.validation import Rejection
from pagecast.streaming.metrics import DEAD_LETTERS

log = structlog.get_logger(__name__)


def send_dead_letters(producer: EventProducer, refused: Iterable[tuple[Record, Rejection]]) -> None:
    """Sends records to the dead-letter topics of theirs; returns when they are acknowledged.

    Key, value and headers are the original ones. `dlt_*` headers are added: reason, field and
    detail; topic, topic_id, partition and offset, which say whether two letters are of the same
    record (a replay sends it again); time; sha256 of the original value. A value that is too
    large even for that topic is cut, and `dlt_truncated` says so. Raises PublishFailed and
    BrokerUnavailable: then send all of them again.
    """
    letters = list(refused)
    if not letters:
        return
    for record, rejection in letters:
        _send(producer, record, _headers(record, rejection))
    producer.flush()
    for record, rejection in letters:
        DEAD_LETTERS.labels(topic=record.topic, reason=rejection.reason).inc()
    record, rejection = letters[0]
    # One line a batch: a storm of bad records must not become a storm of log lines.
    log.warning(
        "records refused",
        records=len(letters),
        topic=record.topic,
        first_partition=record.partition,
        first_offset=record.offset,
        first_reason=str(rejection.reason),
        first_field=rejection.field,
    )


def _send(producer: EventProducer, record: Record, headers: dict[str, bytes]) -> None:
    topic = dead_letter(record.topic)
    try:
        producer.send_bytes(topic, record.key, record.value, headers)
    except RecordTooLarge:
        headers = {name: value for name, value in headers.items() if name.startswith("dlt_")}
        headers["dlt_truncated"] = b"true"
        producer.send_bytes(topic, record.key, record.value[:RECORD_BYTES_MAX], headers)


def _headers(record: Record, rejection: Rejection) -> dict[str, bytes]:
    notes = {
        "reason": rejection.reason,
        "field": rejection.field,
        "detail": rejection.detail,
        "topic": record.topic,
        "topic_id": record.topic_id,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "sha256": hashlib.sha256(record.value).hexdigest(),
    }
    return {
        **{name: value for name, value in record.headers.items() if value is not None},
        **{f"dlt_{name}": value.encode() for name, value in notes.items()},
    }
