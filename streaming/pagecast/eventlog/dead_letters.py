"""Writes records that were refused, with the reason, where people find them."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from pagecast.eventlog.errors import RecordTooLarge
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Rejection
from pagecast.eventlog.topics import RECORD_BYTES_MAX, dead_letter

NOTE = "dlt_"
"""Prefix of the names of the headers that are added to a record's own."""


KEY_BYTES_KEPT = 1024
"""Of the key of a letter that is cut. An id has 256 bytes: a longer key belongs to nothing."""


def write_dead_letters(
    producer: EventProducer, refused: Sequence[tuple[Record, Rejection]]
) -> None:
    """Sends records to the dead-letter topics of their topics; returns when they are acknowledged.

    Key, value and headers are the original ones. `dlt_*` headers are added: reason, field and
    detail; topic, topic_id, partition and offset, which say whether two letters are of the same
    record (a replay of the log sends it again); timestamp_ms of the record; time of the letter;
    sha256 of the original value. A record that is too large even for that topic is cut, key and
    value, and `dlt_truncated` says so. Raises PublishFailed and BrokerUnavailable: then send all of
    them again.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds").encode()
    for record, rejection in refused:
        _send(producer, record, _notes(record, rejection, now))
    producer.flush()


def _send(producer: EventProducer, record: Record, notes: dict[str, bytes]) -> None:
    topic, value = dead_letter(record.topic), record.value
    # Notes of an earlier letter, if the record was replayed by hand, are replaced.
    own = {name: value for name, value in record.header_items if value is not None}
    try:
        producer.send_bytes(topic, record.key, value, own | notes)
    except RecordTooLarge:
        notes[f"{NOTE}truncated"] = b"true"
        key = record.key and record.key[:KEY_BYTES_KEPT]
        producer.send_bytes(topic, key, (value or b"")[:RECORD_BYTES_MAX], notes)


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
