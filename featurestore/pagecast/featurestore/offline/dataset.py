"""A dataset of part files: appending to it, and reading it while others change it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from pagecast.featurestore.offline.files import exclusive, sync, write_whole
from pagecast.featurestore.offline.ordering import codes, in_order
from pagecast.featurestore.offline.parts import (
    Kind,
    Part,
    PartName,
    content_digest,
    digest,
    list_parts,
    same_topic,
)
from pagecast.featurestore.offline.positions import Positions, is_visible
from pagecast.featurestore.offline.rows import NextOffsets
from pagecast.featurestore.offline.schema import KEY, Schema
from pagecast.featurestore.offline.spans import between, may_hold

MS_A_DAY = 24 * 60 * 60 * 1000

LISTINGS_MAX = 100
"""Listings that a reader makes before it gives up. It lists again only if compaction or an erasure
has just removed parts, and they take longer to make a replacement than a reader to open it."""

_Read = TypeVar("_Read")


class DatasetBusyError(OSError):
    """Parts were removed again and again while they were being read; try again."""


class Dataset:
    """The parts below `root`. Each partition has one appender; any number may read."""

    def __init__(self, root: Path, schema: Schema) -> None:
        self.root = root
        self.schema = schema
        self.positions = Positions(root / "_positions")
        self._generation = root / "_generation"

    def append(self, table: pa.Table) -> None:
        """Writes a part for each day and partition; durable and visible when it returns.

        Rows of a partition must come in the order of their offsets from append to append, so that
        the log before a position is complete. Raises OSError; none of the partition's rows is
        visible then, and the same rows may be appended again.
        """
        if not len(table):
            return
        ends: dict[tuple[str, int], int] = {}
        folders = set()
        for day, part in self._split(table):
            folder = self._folder(day)
            folder.mkdir(parents=True, exist_ok=True)
            folders.add(folder)
            self.write_part(folder, Kind.APPENDED, part)
            topic_id, partition, end = _end(part)
            ends[topic_id, partition] = max(ends.get((topic_id, partition), 0), end)
        for folder in folders:
            sync(folder)
        sync(self.root)
        self.positions.advance(ends)

    def scan(
        self,
        columns: Sequence[str],
        *,
        until: NextOffsets | None = None,
        after: NextOffsets | None = None,
        where: ds.Expression | None = None,
    ) -> pa.Table:
        """The key and these columns, in the order of the key, each key once.

        `until` and `after` are as in `OfflineLog.read`; `where` is over columns of the newest
        version.
        """
        names = tuple(dict.fromkeys((*KEY, *columns)))
        if until is not None and not until:
            return self.schema.only(names).empty_table()

        def read(parts: Sequence[Part]) -> pa.Table:
            wanted = [part for part in parts if may_hold(part, until, after)]
            return self.read_parts(wanted, names, between(until, after), where)

        return in_order(self.reading(read))

    def reading(self, read: Callable[[Sequence[Part]], _Read]) -> _Read:
        """Calls `read` with the visible parts, and again if any of them went while it read.

        Raises DatasetBusyError after LISTINGS_MAX attempts.
        """
        for _ in range(LISTINGS_MAX):
            before = self._read_generation()
            # Before the parts are listed: so all that this position calls durable is in the list.
            reached = self.positions.reached()
            parts = [part for part in list_parts(self.root) if is_visible(part, reached)]
            if self._read_generation() != before:
                # Parts were removed while the folders were listed: the list may hold neither them
                # nor what replaces them.
                continue
            try:
                return read(parts)
            except FileNotFoundError:
                continue
        raise DatasetBusyError(f"{self.root}: parts went while they were being read; try again")

    def read_parts(
        self,
        parts: Sequence[Part],
        columns: Sequence[str],
        by_key: ds.Expression | None = None,
        where: ds.Expression | None = None,
    ) -> pa.Table:
        """Rows of these parts as the newest version has them, in no order.

        Raises UnknownSchemaError, and FileNotFoundError if a part has gone.
        """
        if not parts:
            return self.schema.only(tuple(columns)).empty_table()
        tables = []
        for version, fragments in self._fragments(parts).items():
            source = _of_fragments(fragments, self.schema.columns)
            if version == self.schema.version:
                both = [condition for condition in (by_key, where) if condition is not None]
                condition = reduce(and_, both) if both else None
                tables.append(source.to_table(columns=list(columns), filter=condition))
            else:
                old = source.to_table(columns=[*KEY, self.schema.record], filter=by_key)
                new = self.schema.upgrades[version](old)
                tables.append((new if where is None else new.filter(where)).select(list(columns)))
        return pa.concat_tables(tables)

    def known_positions(self) -> dict[tuple[str, int], int]:
        """The next offset per (topic id, partition).

        It is 0 where all parts are from before positions were recorded: nothing says that the last
        of their batches was written to the end. Appending its rows again is harmless.
        """
        recorded = self.positions.read()
        marked = self.positions.reached()

        def unmarked(parts: Sequence[Part]) -> pa.Table:
            groups = {}
            for part in parts:
                name = part.name
                if name is None:
                    groups[part.path.name, 0] = part
                elif not any(p == name.partition and same_topic(name, t) for t, p in marked):
                    groups[name.topic, name.partition] = part
            return self.read_parts(list(groups.values()), KEY)

        keys = self.reading(unmarked).group_by(["topic_id", "partition"]).aggregate([])
        found = {(row["topic_id"], row["partition"]): 0 for row in keys.to_pylist()}
        return found | recorded

    def write_part(self, folder: Path, kind: Kind | None, table: pa.Table) -> Path:
        """Writes rows of one partition, in order, under a name that says which.

        With `kind` None the rows may be of any partition, and the name says nothing.
        """
        content = self.schema.encode(table)
        name = f"other-{content_digest(content)}.parquet"
        if kind is not None:
            topic_id, partition, first = (table[column][0].as_py() for column in KEY)
            last = table["offset"][-1].as_py()
            span = (digest(topic_id), partition, first, last)
            name = str(PartName(kind, *span, content_digest(content)))
        write_whole(folder / name, content)
        return folder / name

    def replace(self, old: Sequence[Path], kind: Kind | None, table: pa.Table) -> None:
        """Replaces the parts `old` by one with the rows of `table`, or by none if it has no rows.

        The caller holds `changing`. In this order a crash at most leaves rows twice, which readers
        do not see.
        """
        folder = old[0].parent
        new = self.write_part(folder, kind, table) if len(table) else None
        sync(folder)
        # Readers that are listing parts at this moment list them again: see `reading`.
        write_whole(self._generation, str(self._read_generation() + 1).encode())
        for path in old:
            if path != new:
                path.unlink()
        sync(folder)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Held while compaction or erasure replaces parts; appenders and readers go on."""
        with exclusive(self.root / ".lock"):
            yield

    def _read_generation(self) -> int:
        try:
            return int(self._generation.read_bytes())
        except FileNotFoundError:
            return 0

    def _folder(self, day: int) -> Path:
        moment = datetime.fromtimestamp(day * MS_A_DAY / 1000, UTC)
        return self.root / f"day={moment:%Y-%m-%d}"

    def _split(self, table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        """The rows of each (partition, day), days in order, rows in the order of their offsets."""
        topic = codes(table["topic_id"])
        partition, offset = (table[name].to_numpy() for name in KEY[1:])
        day = table[self.schema.day_of].cast(pa.int64()).to_numpy() // MS_A_DAY
        order = np.lexsort((offset, day, partition, topic))
        group = np.stack([topic[order], partition[order], day[order]])
        starts = np.flatnonzero((group[:, 1:] != group[:, :-1]).any(axis=0)) + 1
        for rows in np.split(order, starts):
            whole = len(rows) == len(table) and (rows[1:] > rows[:-1]).all()
            yield int(day[rows[0]]), in_order(table if whole else table.take(pa.array(rows)))

    def _fragments(self, parts: Sequence[Part]) -> dict[int, list[ds.Fragment]]:
        by_version: dict[int, list[ds.Fragment]] = {}
        paths = [str(part.path) for part in parts]
        source = ds.dataset(paths, schema=self.schema.columns, format="parquet")
        for fragment in source.get_fragments():
            version = self.schema.version_of(fragment.metadata, fragment.path)
            by_version.setdefault(version, []).append(fragment)
        return by_version


def _end(part: pa.Table) -> tuple[str, int, int]:
    """(topic id, partition, next offset) after the last row."""
    topic_id, partition, last = (part[column][-1].as_py() for column in KEY)
    return topic_id, partition, last + 1


def _of_fragments(fragments: list[ds.Fragment], columns: pa.Schema) -> ds.Dataset:
    first = fragments[0]
    return ds.FileSystemDataset(fragments, columns, first.format, first.filesystem)
