"""Feast's SQLite online store, with writes that are conditional on the version of the log.

A plugin as Feast documents them (`online_store: type: ...`). It differs from its parent in three
things: a connection for each thread, write-ahead logging, and the statement that writes.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from feast import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from feast.utils import to_naive_utc

from pagecast.featurestore import sqlite_files
from pagecast.featurestore.packing import peek_version

STORE_TYPE: Final = "pagecast.featurestore.sqlite_store.ConditionalSqliteOnlineStore"

OnlineRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""One row as Feast hands it to a store: key, feature values, event time, creation time."""

_CREATE = """
CREATE TABLE IF NOT EXISTS "{table}" (
    entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, vector_value BLOB,
    event_ts timestamp, created_ts timestamp,
    topic_id TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (entity_key, feature_name)
)
"""

_WRITE = """
INSERT INTO "{table}" AS stored (
    entity_key, feature_name, value, event_ts, created_ts, topic_id, partition, next_offset
) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (entity_key, feature_name) DO UPDATE SET
    value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts,
    topic_id = excluded.topic_id, partition = excluded.partition,
    next_offset = excluded.next_offset
WHERE stored.topic_id <> excluded.topic_id
    OR stored.partition <> excluded.partition
    OR stored.next_offset <= excluded.next_offset
"""
"""One atomic statement: the exactly-once effect, and the fence against late writers."""


class ConditionalSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """Configuration of the store; `path` is the SQLite file."""

    type: Literal["pagecast.featurestore.sqlite_store.ConditionalSqliteOnlineStore"] = STORE_TYPE


class ConditionalSqliteOnlineStore(SqliteOnlineStore):
    """An online store whose values are packed histories and profiles (`packing`).

    A write is refused if the stored value was built from the same topic id and partition up to a
    greater offset. Safe for threads; create it after forking.
    """

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._opened_lock = threading.Lock()

    def write_newer(
        self, config: RepoConfig, table: FeatureView, data: Sequence[OnlineRow]
    ) -> list[EntityKey]:
        """Writes the rows in one transaction; returns the keys of those that were refused.

        Raises PackedHistoryError, and writes nothing, if a value is not packed.
        """
        rows = [(row[0], _parameters(config, row)) for row in data]
        statement = _WRITE.format(table=_table_name(config, table))
        connection = self._get_conn(config)
        refused = []
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for key, parameters in rows:
                if connection.execute(statement, parameters).rowcount == 0:
                    refused.append(key)
        return refused

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """What Feast's own push and write call: refused rows are left out silently."""
        self.write_newer(config, table, data)
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
        for table in tables_to_keep:
            connection.execute(_CREATE.format(table=_table_name(config, table)))
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
        with self._opened_lock:
            self._opened.append(connection)
        return connection


def _table_name(config: RepoConfig, table: FeatureView) -> str:
    versioned = config.registry.enable_online_feature_view_versioning
    name: str = compute_table_id(config.project, table, versioned)
    return name.replace('"', '""')


def _parameters(config: RepoConfig, row: OnlineRow) -> tuple[Any, ...]:
    key, values, event_time, created_at = row
    ((name, value),) = values.items()
    version = peek_version(value.bytes_val)
    return (
        serialize_entity_key(
            key, entity_key_serialization_version=config.entity_key_serialization_version
        ),
        name,
        value.SerializeToString(),
        to_naive_utc(event_time),
        None if created_at is None else to_naive_utc(created_at),
        version.topic_id,
        version.partition,
        version.next_offset,
    )
