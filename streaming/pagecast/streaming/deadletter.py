"""Where records go that were refused: nothing is dropped, and nothing waits for them."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from pagecast.eventlog.errors import RecordTooLarge
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import RECORD_BYTES_MAX, dead_letter
from pagecast.eventlog.validation import Rejection
from pagecast.streaming.metrics import DEAD_LETTERS

NOTE = "dlt_"
"""How the names of the headers begin that are added to a record's own."""

log = structlog.get_logger(__name__)


def send_dead_letters(producer: EventProducer, refused: Iterable[tuple[Record, Rejection]]) -> None:
    """Sends records to the dead-letter topics of theirs; returns when they are acknowledged.

    Key, value and headers are the original ones. `dlt_*` headers are added: reason, field and
    detail; topic, topic_id, partition and offset, which say whether two letters are of the same
    record (a replay of the log sends it again); timestamp_ms of the record; time of the letter;
    sha256 of the original value. A value that is too large even for that topic is cut, and
    `dlt_truncated` says so. Raises PublishFailed and BrokerUnavailable: then send all of them
    again.
    """
    letters = list(refused)
    if not letters:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
    for record, rejection in letters:
        _send(producer, record, _notes(record, rejection, now))
    producer.flush()
    counts = Counter((record.topic, rejection.reason) for record, rejection in letters)
    for (topic, reason), count in counts.items():
        DEAD_LETTERS.labels(topic=topic, reason=reason).inc(count)
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


def _send(producer: EventProducer, record: Record, notes: dict[str, bytes]) -> None:
    topic, value = dead_letter(record.topic), record.value
    # The original's notes of an earlier letter, if it was replayed by hand, are replaced.
    own = {name: value for name, value in record.header_items if value is not None}
    try:
        producer.send_bytes(topic, record.key, value, own | notes)
    except RecordTooLarge:
        notes[f"{NOTE}truncated"] = b"true"
        producer.send_bytes(topic, record.key, (value or b"")[:RECORD_BYTES_MAX], notes)


def _notes(record: Record, rejection: Rejection, now: bytes) -> dict[str, bytes]:
    notes = {
        "reason": rejection.reason,
        "field": rejection.field,
        "detail": rejection.detail,
        "topic": record.topic,
        "topic_id": record.topic_id,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp_ms": str(record.timestamp_ms),
        "sha256": hashlib.sha256(record.value or b"").hexdigest(),
    }
    return {f"{NOTE}{name}": value.encode() for name, value in notes.items()} | {f"{NOTE}time": now}
