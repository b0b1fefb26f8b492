"""Refused records for tests, in the topics they were sent to and as letters."""

from collections.abc import Mapping, Sequence

from eventlog.factories_eventlog import read_all

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.streaming.deadletter import send_dead_letters


def rejection(reason: Reason = Reason.RULE_BROKEN, detail: str = "wrong") -> Rejection:
    return Rejection(reason=reason, field="play.entity_id", detail=detail)


def send_raw(
    bootstrap: str,
    values: Sequence[bytes | None],
    *,
    topic: str = INTERACTIONS,
    key: bytes | None = b"ann",
    headers: Mapping[str, bytes] | None = None,
) -> list[Record]:
    """Sends values as they are; returns all records of the topic that have this key."""
    with EventProducer(bootstrap) as producer:
        for value in values:
            producer.send_bytes(topic, key, value, headers or {"ce_id": b"e1"})
    everything = read_all(bootstrap, topic, len(values))
    return [record for record in everything if record.key == key]


def refuse(bootstrap: str, records: Sequence[Record], why: Rejection | None = None) -> None:
    """Writes letters of these records, as ingest does."""
    with EventProducer(bootstrap) as producer:
        send_dead_letters(producer, [(record, why or rejection()) for record in records])
