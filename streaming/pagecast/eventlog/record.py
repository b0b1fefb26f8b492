"""One record of the event log."""

from collections.abc import Sequence
from typing import NamedTuple


class Record(NamedTuple):
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
    value: bytes | None
    header_items: Sequence[tuple[str, bytes | None]]
    timestamp_ms: int

    @property
    def headers(self) -> dict[str, bytes | None]:
        """By name; of several with the same name, the last."""
        return dict(self.header_items)
