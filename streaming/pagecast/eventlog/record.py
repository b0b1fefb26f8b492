"""One record of the event log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was read.

    `topic_id` names the log: it changes when a topic is made anew, by deleting and creating it or
    because a broker that keeps nothing has restarted. Offsets compare only within one
    (topic_id, partition). `timestamp_ms` is when the producer sent it, milliseconds since 1970.
    """

    topic: str
    topic_id: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: dict[str, bytes]
    timestamp_ms: int
