"""How far a consumer has read a log, kept in the transaction of its effect.

That makes an effect exactly-once: what a replay brings again is recognised by its offset.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from pagecast.featurestore.tables import LogPositionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOffset:
    """The place of one record."""

    topic_id: str
    partition: int
    offset: int


def read_next_offset(
    connection: sa.Connection, consumer: str, topic_id: str, partition: int
) -> int:
    """0 for a partition, or a topic id, that the consumer has never read."""
    row = LogPositionRow
    statement = sa.select(row.next_offset).where(
        row.consumer == consumer, row.topic_id == topic_id, row.partition == partition
    )
    return connection.execute(statement).scalar_one_or_none() or 0


def read_next_offsets(
    connection: sa.Connection, consumer: str, places: Collection[tuple[str, int]]
) -> dict[tuple[str, int], int]:
    """The next offset of each place, in one query: a batch comes from all partitions."""
    if not places:
        return {}
    logs = list({topic_id for topic_id, _ in places})
    rows = connection.execute(_OF_LOGS, {"of": consumer, "logs": logs})
    found = {(topic_id, partition): next_offset for topic_id, partition, next_offset in rows}
    return {place: found.get(place, 0) for place in places}


def write_next_offsets(
    connection: sa.Connection, consumer: str, next_offsets: Mapping[tuple[str, int], int]
) -> None:
    """Replaces the positions of the (topic id, partition) named, in two statements."""
    if not next_offsets:
        return
    rows = [
        {"of": consumer, "log": topic_id, "part": partition, "end": next_offset}
        for (topic_id, partition), next_offset in next_offsets.items()
    ]
    connection.execute(_DELETE, rows)
    connection.execute(_INSERT, rows)


# Built once: for a batch of ten events, building them would take most of their time.
_OF_LOGS = sa.select(
    LogPositionRow.topic_id, LogPositionRow.partition, LogPositionRow.next_offset
).where(
    LogPositionRow.consumer == sa.bindparam("of"),
    LogPositionRow.topic_id.in_(sa.bindparam("logs", expanding=True)),
)
_DELETE = sa.delete(LogPositionRow).where(
    LogPositionRow.consumer == sa.bindparam("of"),
    LogPositionRow.topic_id == sa.bindparam("log"),
    LogPositionRow.partition == sa.bindparam("part"),
)
_INSERT = sa.insert(LogPositionRow).values(
    consumer=sa.bindparam("of"),
    topic_id=sa.bindparam("log"),
    partition=sa.bindparam("part"),
    next_offset=sa.bindparam("end"),
)
