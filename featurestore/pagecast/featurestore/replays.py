"""Which refused records were sent again, so that a second replay sends none of them."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.tables import DeadLetterReplayRow

CLAIM_MS = 120_000
"""How long a claim keeps others away: longer than a producer takes over a batch. A replay that was
killed leaves its claims behind; after this time they are taken over, and sent again."""

RECORDS_MAX = 200
"""Records of one call: SQLite's statements have a bounded number of variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Of the records asked for: those to send, those sent before, those another replay sends."""

    taken: frozenset[LogOffset]
    replayed: frozenset[LogOffset]
    busy: frozenset[LogOffset]


class ReplayLedger:
    """Reads and writes the replays of a migrated database; at most RECORDS_MAX a call."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms

    def look(self, records: Collection[LogOffset]) -> Claims:
        """What `claim` would say, without claiming."""
        with self._engine.connect() as connection:
            return self._look(connection, records)

    def claim(self, records: Collection[LogOffset]) -> Claims:
        """Takes those records that nobody has sent or is sending. Then `finish` or `release`."""
        with exclusive(self._engine, Lock.REPLAYS) as connection:
            claims = self._look(connection, records)
            _delete(connection, claims.taken)
            if claims.taken:
                now_ms = self._clock_ms()
                rows = [{**_columns(at), "claimed_at_ms": now_ms} for at in claims.taken]
                connection.execute(sa.insert(DeadLetterReplayRow), rows)
        return claims

    def finish(self, records: Collection[LogOffset]) -> None:
        """Notes that they were acknowledged: they are never sent again."""
        row = DeadLetterReplayRow
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(row).where(_among(records)).values(replayed_at_ms=self._clock_ms())
            )

    def release(self, records: Collection[LogOffset]) -> None:
        """Frees records that were not sent, as far as is known: another replay may send them."""
        with self._engine.begin() as connection:
            _delete(connection, records)

    def _look(self, connection: sa.Connection, records: Collection[LogOffset]) -> Claims:
        row = DeadLetterReplayRow
        columns = row.topic_id, row.partition, row.offset, row.claimed_at_ms, row.replayed_at_ms
        since_ms = self._clock_ms() - CLAIM_MS
        replayed: set[LogOffset] = set()
        busy: set[LogOffset] = set()
        found = connection.execute(sa.select(*columns).where(_among(records)))
        for topic_id, partition, offset, claimed_at_ms, replayed_at_ms in found:
            at = LogOffset(topic_id=topic_id, partition=partition, offset=offset)
            if replayed_at_ms is not None:
                replayed.add(at)
            elif claimed_at_ms > since_ms:
                busy.add(at)
        return Claims(
            taken=frozenset(records) - replayed - busy,
            replayed=frozenset(replayed),
            busy=frozenset(busy),
        )


def _delete(connection: sa.Connection, records: Collection[LogOffset]) -> None:
    connection.execute(sa.delete(DeadLetterReplayRow).where(_among(records)))


def _among(records: Collection[LogOffset]) -> sa.ColumnElement[bool]:
    """Raises ValueError for too many."""
    if len(records) > RECORDS_MAX:
        raise ValueError(f"{len(records)} records; at most {RECORDS_MAX} a call")
    row = DeadLetterReplayRow
    place = sa.tuple_(row.topic_id, row.partition, row.offset)
    return place.in_([(at.topic_id, at.partition, at.offset) for at in records])


def _columns(at: LogOffset) -> dict[str, object]:
    return {"topic_id": at.topic_id, "partition": at.partition, "offset": at.offset}
