"""Time-decayed counts per entity: what the popularity page and POPULAR rows read.

A count decays by half every half-life. Scores decay lazily: each is stored with its time, and a
late count is decayed by its age, so the order of batches does not matter.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.positions import read_next_offsets, write_next_offsets
from pagecast.featurestore.tables import PopularityRow

HALF_LIFE_MS = 7 * 24 * 60 * 60 * 1000
"""A week: every weekday weighs the same, and last month's hit is down to a sixteenth."""

_CONSUMER = "popularity"


class Counted(NamedTuple):
    """An event that counts for an entity."""

    partition: tuple[str, int]
    """Topic id and number."""
    offset: int
    entity_id: str
    at_ms: int
    """When it happened, milliseconds since 1970."""


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

    def add(self, counted: Sequence[Counted]) -> None:
        """Adds one to the score of each entity counted, as of its moment.

        Counts and the positions they reach are written in one transaction: what a replay or another
        worker brings again is skipped by its offset.
        """
        if not counted:
            return
        ends: dict[tuple[str, int], int] = {}
        for event in counted:
            ends[event.partition] = max(event.offset + 1, ends.get(event.partition, 0))
        with exclusive(self._engine, Lock.POPULARITY) as connection:
            begins = read_next_offsets(connection, _CONSUMER, ends)
            fresh = [event for event in counted if event.offset >= begins[event.partition]]
            if not fresh:
                return
            at_ms = max(event.at_ms for event in fresh)
            counts: dict[str, float] = defaultdict(float)
            for event in fresh:
                counts[event.entity_id] += decay(at_ms - event.at_ms, self._half_life_ms)
            self._add(connection, counts, at_ms)
            grown = {at: end for at, end in ends.items() if end > begins[at]}
            write_next_offsets(connection, _CONSUMER, grown)

    def scores(self, at_ms: int | None = None) -> dict[str, float]:
        """Score per entity, best first (ties by id).

        As of `at_ms`, or of the newest count if that is later or `at_ms` is None.
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
        rows = connection.execute(_OF_ENTITIES, {"ids": list(counts)})
        stored = {entity_id: (score, at) for entity_id, score, at in rows}
        scores = []
        for entity_id, count in counts.items():
            score, since_ms = stored.get(entity_id, (0.0, at_ms))
            newest_ms = max(at_ms, since_ms)
            score = score * decay(newest_ms - since_ms, self._half_life_ms)
            score += count * decay(newest_ms - at_ms, self._half_life_ms)
            scores.append({"entity_id": entity_id, "score": score, "at_ms": newest_ms})
        if scores:
            connection.execute(_DELETE, {"ids": list(stored)})
            connection.execute(_INSERT, scores)


# Built once, like those of `positions`.
_OF_ENTITIES = sa.select(PopularityRow.entity_id, PopularityRow.score, PopularityRow.at_ms).where(
    PopularityRow.entity_id.in_(sa.bindparam("ids", expanding=True))
)
_DELETE = sa.delete(PopularityRow).where(
    PopularityRow.entity_id.in_(sa.bindparam("ids", expanding=True))
)
_INSERT = sa.insert(PopularityRow)
