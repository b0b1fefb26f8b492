"""Feast's SQLite online store, with writes that are conditional on the version of the log.

A plugin as Feast documents them (`online_store: type: ...`). It differs from its parent in four
things: a connection for each thread, write-ahead logging, the statement that writes, and that
deleted values are gone from the file.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from feast import FeatureView
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.repo_config import RepoConfig

from pagecast.featurestore import sqlite_files
from pagecast.featurestore.online import sqlite_statements as sql
from pagecast.featurestore.online.feast_rows import OnlineRow, packed_rows
from pagecast.featurestore.online.packed_store import (
    FENCE_S,
    PACKED,
    PackedRow,
    entity_key,
    fence_of,
    packed_of,
    value_bytes,
)

STORE_TYPE: Final = "pagecast.featurestore.online.sqlite_store.ConditionalSqliteOnlineStore"

READ_USERS_MAX: Final = 500
"""Users per query; more are read in several queries, so that a query's text stays bounded."""


class ConditionalSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """Configuration of the store; `path` is the SQLite file."""

    type: Literal["pagecast.featurestore.online.sqlite_store.ConditionalSqliteOnlineStore"] = (
        STORE_TYPE
    )


class ConditionalSqliteOnlineStore(SqliteOnlineStore):
    """A `PackedStore` in a file."""

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opened_lock = threading.Lock()
        self._table_names: dict[tuple[str, ...], tuple[str, ...]] = {}
        """By the names of views: a store is of one project."""

    def read_packed(
        self, config: RepoConfig, views: Sequence[FeatureView], user_ids: Sequence[str]
    ) -> Iterator[tuple[bytes | None, ...]]:
        """For each user, the value of each view; None if there is none."""
        tables = self._tables(config, views)
        for begin in range(0, len(user_ids), READ_USERS_MAX):
            asked = user_ids[begin : begin + READ_USERS_MAX]
            keys = [entity_key(user_id, views[0].name) for user_id in asked]
            found: dict[tuple[bytes, int], bytes] = {}
            for key, table, value in self._get_conn(config).execute(
                sql.read(tables, len(keys)), keys
            ):
                found[key, table] = packed_of(value)
            for key in keys:
                yield tuple(found.get((key, table)) for table in range(len(tables)))

    def write_packed(
        self, config: RepoConfig, view: FeatureView, rows: Sequence[PackedRow]
    ) -> list[str]:
        """Writes the rows in one transaction; returns the users that were refused."""
        names = {"table": _table_name(config, view), "fences": _fences_name(config)}
        write = sql.WRITE.format(**names)
        parameters = [_parameters(view, row) for row in rows]
        refused = []
        connection = self._get_conn(config)
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for row, values in zip(rows, parameters, strict=True):
                if row.value is None:
                    written = _delete(connection, names, values)
                else:
                    written = connection.execute(write, values).rowcount > 0
                if not written:
                    refused.append(row.user_id)
        if any(row.value is None for row in rows):
            _overwrite_log(connection)
        return refused

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """What Feast's own push and write call: refused rows are left out silently.

        Raises PackedHistoryError, and writes nothing, if a value is not packed.
        """
        self.write_packed(config, table, packed_rows(data))
        if progress:
            progress(len(data))

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Any],  # noqa: ARG002
        entities_to_keep: Sequence[Any],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Makes the tables of new views and drops those of deleted ones."""
        connection = self._get_conn(config)
        connection.execute(sql.CREATE_FENCES.format(fences=_fences_name(config)))
        for table in tables_to_keep:
            connection.execute(sql.CREATE.format(table=_table_name(config, table)))
        for table in tables_to_delete:
            connection.execute(f'DROP TABLE IF EXISTS "{_table_name(config, table)}"')

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Any]
    ) -> None:
        """Removes the file; all connections are closed before."""
        self.close_connections()
        super().teardown(config, tables, entities)

    def close_connections(self) -> None:
        """Closes the connections of all threads; the store opens new ones if it is used again."""
        with self._opened_lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        self._local = threading.local()

    def _tables(self, config: RepoConfig, views: Sequence[FeatureView]) -> tuple[str, ...]:
        """Their names; Feast takes 1.3 µs to make one, of the ten that a whole read may take."""
        names = tuple([view.name for view in views])
        tables = self._table_names.get(names)
        if tables is None:
            tables = tuple(_table_name(config, view) for view in views)
            self._table_names[names] = tables
        return tables

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._open(self._get_db_path(config))
            self._local.connection = connection
        return connection

    def _open(self, path: str) -> sqlite3.Connection:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            path,
            detect_types=sqlite3.PARSE_DECLTYPES,
            isolation_level=None,
            # Used by its own thread only, until `close_connections`.
            check_same_thread=False,
        )
        sqlite_files.configure(connection)
        # What was deleted, or overwritten, cannot be read from the file any more.
        connection.execute("PRAGMA secure_delete = ON")
        with self._opened_lock:
            self._opened.append(connection)
        return connection


def _table_name(config: RepoConfig, table: FeatureView) -> str:
    versioned = config.registry.enable_online_feature_view_versioning
    name: str = compute_table_id(config.project, table, versioned)
    return name.replace('"', '""')


def _fences_name(config: RepoConfig) -> str:
    return f"{config.project}_fences".replace('"', '""')


def _parameters(view: FeatureView, row: PackedRow) -> dict[str, object]:
    moment = datetime.fromtimestamp(row.at_ms / 1000, UTC)
    return {
        "key": entity_key(row.user_id, view.name),
        "fence": fence_of(view.name, row.user_id),
        "feature": PACKED,
        "value": None if row.value is None else value_bytes(row.value),
        "event_ts": moment.replace(tzinfo=None),  # Feast has registered how it is stored
        "topic_id": row.version.topic_id,
        "partition": row.version.partition,
        "next_offset": row.version.next_offset,
    }


def _delete(
    connection: sqlite3.Connection, names: dict[str, str], values: dict[str, object]
) -> bool:
    if connection.execute(sql.NEWER.format(**names), values).fetchone():
        return False
    now_s = int(time.time())
    connection.execute(sql.DELETE_FENCES.format(**names), (now_s,))
    connection.execute(sql.DELETE.format(**names), values)
    connection.execute(sql.WRITE_FENCE.format(**names), {**values, "expires_s": now_s + FENCE_S})
    return True


def _overwrite_log(connection: sqlite3.Connection) -> None:
    """Empties the write-ahead log, which holds the old values; a reader at work delays that."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
