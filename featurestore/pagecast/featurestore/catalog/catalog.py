"""The catalog: every effective change gets the next number, in the transaction that applies it.

Entities and rows are kept in versions, each in force for numbers in [valid_from, valid_to), so
that a snapshot of a past number never changes.
"""

import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pagecast.featurestore.catalog.items import ItemChange, item_change
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.catalog.versions import CatalogBatch, extended, newest_number
from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.positions import (
    LogOffset,
    read_next_offset,
    write_next_offsets,
)
from pagecast.v1 import catalog_pb2

POLL_MS = 250
"""A change reaches pages within a second: this poll, and embedding what changed."""

_CONSUMER = "catalog"

_log = structlog.get_logger(__name__)

EMPTY = CatalogSnapshot(number=0, entities=(), rows=())
"""The catalog before its first change."""


class Catalog:
    """Reads and changes the catalog of a migrated database."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def apply(self, changes: Sequence[tuple[LogOffset, catalog_pb2.CatalogChange]]) -> int:
        """Applies validated changes in one transaction; returns the catalog's number after it.

        Changes already applied are recognised by their offset; a topic id never seen starts from 0.
        A change that changes nothing (or retires what is unknown or already retired) takes no
        number. An upsert of something retired offers it again, at its old index.
        """
        with exclusive(self._engine, Lock.CATALOG) as connection:
            new = _unread(connection, changes)
            batch = CatalogBatch(number=newest_number(connection))
            batch.load(connection, [change for _, change in new])
            for _, change in new:
                batch.apply(change)
            batch.store(connection)
            write_next_offsets(
                connection,
                _CONSUMER,
                {(at.topic_id, at.partition): at.offset + 1 for at, _ in new},
            )
        return batch.number

    def number(self) -> int:
        """The number of the newest change; 0 for an empty catalog."""
        with self._engine.connect() as connection:
            return newest_number(connection)

    def snapshot(self, number: int | None = None) -> CatalogSnapshot:
        """The catalog as of a number, the newest by default.

        Raises ValueError for a number that is not reached yet.
        """
        with self._engine.connect() as connection:
            newest = newest_number(connection)
            if number is not None and not 0 <= number <= newest:
                raise ValueError(f"the catalog is at number {newest}, not at {number}")
            return extended(connection, EMPTY, newest if number is None else number)

    def extend(self, snapshot: CatalogSnapshot) -> CatalogSnapshot:
        """The newest snapshot, made from an older one by reading only what has changed since.

        Returns the very same object if nothing has. A database that is behind the snapshot is
        another database: it is read anew.
        """
        with self._engine.connect() as connection:
            newest = newest_number(connection)
            if newest == snapshot.number:
                return snapshot
            base = snapshot if newest > snapshot.number else EMPTY
            return extended(connection, base, newest)


class CatalogFollower:
    """Follows the catalog's number in a daemon thread; `snapshot` is always complete.

    A failing database is logged once and asked again; meanwhile the last snapshot stands. Use it as
    a context manager, or call `stop`.
    """

    def __init__(self, catalog: Catalog, *, poll_ms: int = POLL_MS) -> None:
        self._catalog = catalog
        self._poll_s = poll_ms / 1000
        self._snapshot = catalog.snapshot()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._failing = False
        self._listeners: list[Callable[[CatalogSnapshot], None]] = []
        self._thread = threading.Thread(target=self._follow, name="catalog-follower", daemon=True)
        self._thread.start()

    @property
    def snapshot(self) -> CatalogSnapshot:
        """The newest catalog known."""
        return self._snapshot

    def add_listener(self, listener: Callable[[CatalogSnapshot], None]) -> None:
        """Calls `listener` in the follower's thread with every later snapshot."""
        self._listeners.append(listener)

    def wait_for(self, number: int, timeout_s: float) -> bool:
        """Blocks until the snapshot has reached a number; False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._snapshot.number >= number, timeout_s)

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        self._thread.join()

    def __enter__(self) -> "CatalogFollower":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _follow(self) -> None:
        while not self._stopping.wait(self._poll_s):
            try:
                snapshot = self._catalog.extend(self._snapshot)
            except SQLAlchemyError as error:
                if not self._failing:
                    _log.warning("catalog_unreachable", error=str(error))
                self._failing = True
                continue
            if self._failing:
                _log.info("catalog_reachable_again", number=snapshot.number)
            self._failing = False
            if snapshot is not self._snapshot:
                self._publish(snapshot)

    def _publish(self, snapshot: CatalogSnapshot) -> None:
        with self._changed:
            self._snapshot = snapshot
            self._changed.notify_all()
        for listener in self._listeners:
            try:
                listener(snapshot)
            except Exception:
                _log.exception("catalog_listener_failed", number=snapshot.number)


def _unread(
    connection: sa.Connection, changes: Sequence[tuple[LogOffset, catalog_pb2.CatalogChange]]
) -> list[tuple[LogOffset, ItemChange]]:
    """The changes beyond the stored positions, each offset once."""
    next_offsets: dict[tuple[str, int], int] = {}
    unread = []
    for at, change in changes:
        key = (at.topic_id, at.partition)
        if key not in next_offsets:
            next_offsets[key] = read_next_offset(connection, _CONSUMER, *key)
        if at.offset >= next_offsets[key]:
            next_offsets[key] = at.offset + 1
            unread.append((at, item_change(change)))
    return unread
