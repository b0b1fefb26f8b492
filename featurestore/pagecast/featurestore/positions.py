"""How far a consumer has read a log, kept in the transaction of its effect.

That makes an effect exactly-once: what a replay brings again is recognised by its offset.
"""

from collections.abc import Mapping
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


def write_next_offsets(
    connection: sa.Connection, consumer: str, next_offsets: Mapping[tuple[str, int], int]
) -> None:
    """Replaces the positions of the (topic id, partition) named."""
    row = LogPositionRow
    for (topic_id, partition), next_offset in next_offsets.items():
        connection.execute(
            sa.delete(row).where(
                row.consumer == consumer, row.topic_id == topic_id, row.partition == partition
            )
        )
        connection.execute(
            sa.insert(row).values(
                consumer=consumer,
                topic_id=topic_id,
                partition=partition,
                next_offset=next_offset,
            )
        )
