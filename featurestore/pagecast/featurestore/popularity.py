"""Time-decayed counts per entity: what the popularity page and POPULAR rows read.

A count decays by half every half-life. Scores decay lazily: each is stored with the time it is
as of, and a count that comes late is decayed by its age, so the order of batches does not matter.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.positions import (
    LogPosition,
    read_next_offset,
    write_next_offsets,
)
from pagecast.featurestore.tables import PopularityRow

HALF_LIFE_MS = 7 * 24 * 60 * 60 * 1000
"""A week: every weekday weighs the same, and last month's hit is down to a sixteenth."""

_CONSUMER = "popularity"


def decay(elapsed_ms: float, half_life_ms: float = HALF_LIFE_MS) -> float:
    """What remains of 1 after a time: 0.5 after a half-life."""
    return float(2.0 ** (-elapsed_ms / half_life_ms))


class Popularity:
    """Reads and changes the popularity scores of a migrated database."""

    def __init__(self, engine: sa.Engine, half_life_ms: int = HALF_LIFE_MS) -> None:
        if half_life_ms <= 0:
            raise ValueError("half_life_ms must be positive")
        self._engine = engine
        self._half_life_ms = half_life_ms

    def next_offset(self, topic_id: str, partition: int) -> int:
        """The first offset of the partition that is not yet counted; 0 for a new topic id.

        Count records from here on only: `add` knows a replayed batch by its end, not by its parts.
        """
        with self._engine.connect() as connection:
            return read_next_offset(connection, _CONSUMER, topic_id, partition)

    def add(self, position: LogPosition, counts: Mapping[str, float], at_ms: int) -> bool:
        """Adds the counts of a partition's records before `position`, as of `at_ms`.

        Counts and position are one transaction. False, and nothing changes, if the position is
        already contained. A batch that spans much time is weighed by the caller with `decay`.
        """
        key = (position.topic_id, position.partition)
        with exclusive(self._engine, Lock.POPULARITY) as connection:
            if position.next_offset <= read_next_offset(connection, _CONSUMER, *key):
                return False
            self._add(connection, counts, at_ms)
            write_next_offsets(connection, _CONSUMER, {key: position.next_offset})
        return True

    def scores(self, at_ms: int | None = None) -> dict[str, float]:
        """Score per entity, best first (ties by id).

        As of `at_ms`, or of the newest count if that is later or nothing is said.
        """
        row = PopularityRow
        with self._engine.connect() as connection:
            stored = connection.execute(sa.select(row.entity_id, row.score, row.at_ms)).all()
        if not stored:
            return {}
        as_of_ms = max(at_ms or 0, *(at for _, _, at in stored))
        scores = {
            entity_id: score * decay(as_of_ms - at, self._half_life_ms)
            for entity_id, score, at in stored
        }
        return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))

    def _add(self, connection: sa.Connection, counts: Mapping[str, float], at_ms: int) -> None:
        row = PopularityRow
        stored = {
            entity_id: (score, at)
            for entity_id, score, at in connection.execute(
                sa.select(row.entity_id, row.score, row.at_ms).where(row.entity_id.in_(counts))
            )
        }
        scores = []
        for entity_id, count in counts.items():
            score, since_ms = stored.get(entity_id, (0.0, at_ms))
            newest_ms = max(at_ms, since_ms)
            score = score * decay(newest_ms - since_ms, self._half_life_ms)
            score += count * decay(newest_ms - at_ms, self._half_life_ms)
            scores.append({"entity_id": entity_id, "score": score, "at_ms": newest_ms})
        if scores:
            connection.execute(sa.delete(row).where(row.entity_id.in_(stored)))
            connection.execute(sa.insert(row), scores)
