"""The offline log (step 6 of the life of an event): one unmerged row per event.

Keyed (topic id, partition, offset), in part files of Parquet by event day that never change. What
a replay writes again is the same file, or one that overlaps: readers keep one row per key.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pagecast.featurestore.history import Action
from pagecast.featurestore.tokens import action_of, entity_of, occurred_at_ms
from pagecast.v1 import events_pb2

NextOffsets = Mapping[tuple[str, int], int]
"""The next offset per (topic id, partition): a position in the log."""

SCHEMA = pa.schema(
    [
        ("topic_id", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("event_id", pa.string()),
        ("user_id", pa.string()),
        ("occurred_at_ms", pa.int64()),
        ("occurred_at", pa.timestamp("ms", tz="UTC")),
        ("action", pa.string()),
        ("entity_id", pa.string()),
        ("event", pa.binary()),
    ]
)
"""Columns of a part file; `event` is the whole `InteractionEvent`, the rest is for queries."""

SECONDS_A_DAY = 24 * 60 * 60

_ACTION_NAMES = {action: action.name.lower() for action in Action}

_KEY = ("topic_id", "partition", "offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One record of the interaction topic."""

    topic_id: str
    partition: int
    offset: int
    event: events_pb2.InteractionEvent


class OfflineLog:
    """The offline log below `root`. Each partition has one appender; any number may read."""

    def __init__(self, root: Path) -> None:
        self._interactions = root / "interactions"

    def append(self, rows: Sequence[LoggedEvent]) -> None:
        """Writes one part file per event day and partition; durable when it returns.

        A part becomes visible whole or not at all. Appending the same batch again replaces its
        parts by equal ones.
        """
        parts: dict[tuple[int, str, int], list[LoggedEvent]] = defaultdict(list)
        for row in rows:
            day = row.event.occurred_at.seconds // SECONDS_A_DAY
            parts[day, row.topic_id, row.partition].append(row)
        for (day, _, _), part in parts.items():
            folder = self._folder(day)
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder / _part_name(part), _table(part))
        for day in {day for day, _, _ in parts}:
            _sync(self._folder(day))
        if parts:
            _sync(self._interactions)

    def read(
        self, *, until: NextOffsets | None = None, after: NextOffsets | None = None
    ) -> list[LoggedEvent]:
        """The events in order of (topic id, partition, offset), each key once.

        `until` is the log as of a position: offsets before it, and nothing of a partition it
        does not name. `after` leaves out the offsets before another position.
        """
        if until is not None and not until:
            return []
        table = self._scan([*_KEY, "event"], _filter(until, after))
        table = _first_of_each_key(table.sort_by([(name, "ascending") for name in _KEY]))
        return [
            LoggedEvent(
                topic_id=topic_id,
                partition=partition,
                offset=offset,
                event=events_pb2.InteractionEvent.FromString(event),
            )
            for topic_id, partition, offset, event in zip(
                *(table[name].to_pylist() for name in (*_KEY, "event")), strict=True
            )
        ]

    def positions(self) -> dict[tuple[str, int], int]:
        """The next offset per (topic id, partition) that is in the log."""
        newest = self._scan(list(_KEY)).group_by(["topic_id", "partition"])
        return {
            (row["topic_id"], row["partition"]): row["offset_max"] + 1
            for row in newest.aggregate([("offset", "max")]).to_pylist()
        }

    def _folder(self, day: int) -> Path:
        moment = datetime.fromtimestamp(day * SECONDS_A_DAY, UTC)
        return self._interactions / f"day={moment:%Y-%m-%d}"

    def _scan(self, columns: list[str], where: ds.Expression | None = None) -> pa.Table:
        if not self._interactions.exists():
            return pa.table({name: [] for name in columns}, schema=_only(columns))
        parts = ds.dataset(
            self._interactions, schema=SCHEMA, format="parquet", exclude_invalid_files=False
        )
        return parts.to_table(columns=columns, filter=where)


def _only(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([SCHEMA.field(name) for name in columns])


def _part_name(part: Sequence[LoggedEvent]) -> str:
    """Names what is inside, so that a replay of the same records makes the same file."""
    first, last = min(row.offset for row in part), max(row.offset for row in part)
    topic = hashlib.sha256(part[0].topic_id.encode()).hexdigest()[:8]
    return f"part-{topic}-{part[0].partition}-{first}-{last}.parquet"


def _table(part: Sequence[LoggedEvent]) -> pa.Table:
    moments = [occurred_at_ms(row.event) for row in part]
    columns: dict[str, list[Any]] = {
        "topic_id": [row.topic_id for row in part],
        "partition": [row.partition for row in part],
        "offset": [row.offset for row in part],
        "event_id": [row.event.event_id for row in part],
        "user_id": [row.event.user_id for row in part],
        "occurred_at_ms": moments,
        "occurred_at": moments,
        "action": [_ACTION_NAMES[action_of(row.event)] for row in part],
        "entity_id": [entity_of(row.event) for row in part],
        "event": [row.event.SerializeToString(deterministic=True) for row in part],
    }
    return pa.table(columns, schema=SCHEMA)


def _write(path: Path, table: pa.Table) -> None:
    # Readers skip names that begin with a dot: a part that a crash left behind stays unseen.
    unseen = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unseen.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        unseen.rename(path)
    finally:
        unseen.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """A rename is durable once its directory is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _filter(until: NextOffsets | None, after: NextOffsets | None) -> ds.Expression | None:
    conditions: list[ds.Expression] = []
    if until is not None:
        conditions.append(
            reduce(or_, [_of(key) & (ds.field("offset") < to) for key, to in until.items()])
        )
    for key, begin in (after or {}).items():
        conditions.append(~_of(key) | (ds.field("offset") >= begin))
    if not conditions:
        return None
    return reduce(lambda both, condition: both & condition, conditions)


def _of(key: tuple[str, int]) -> ds.Expression:
    topic_id, partition = key
    return (ds.field("topic_id") == topic_id) & (ds.field("partition") == partition)


def _first_of_each_key(table: pa.Table) -> pa.Table:
    """Keeps the first of neighbours with the same key."""
    if not len(table):
        return table
    here, before = table.slice(1), table.slice(0, len(table) - 1)
    new = reduce(pc.or_, [pc.not_equal(here[name], before[name]) for name in _KEY])
    return table.filter(pa.chunked_array([[True], *new.chunks], type=pa.bool_()))
