"""The SQL of the SQLite online store. Tables of views are Feast's, with the version beside."""

from functools import lru_cache

CREATE = """
CREATE TABLE IF NOT EXISTS "{table}" (
    entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, vector_value BLOB,
    event_ts timestamp, created_ts timestamp,
    topic_id TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (entity_key, feature_name)
)
"""

WRITE = """
INSERT INTO "{table}" AS stored (
    entity_key, feature_name, value, event_ts, topic_id, partition, next_offset
) SELECT :key, :feature, :value, :event_ts, :topic_id, :partition, :next_offset
WHERE NOT EXISTS (
    SELECT 1 FROM "{fences}" WHERE fence = :fence AND topic_id = :topic_id
        AND partition = :partition AND next_offset > :next_offset
)
ON CONFLICT (entity_key, feature_name) DO UPDATE SET
    value = excluded.value, event_ts = excluded.event_ts,
    topic_id = excluded.topic_id, partition = excluded.partition,
    next_offset = excluded.next_offset
WHERE stored.topic_id <> excluded.topic_id
    OR stored.partition <> excluded.partition
    OR stored.next_offset <= excluded.next_offset
"""
"""One atomic statement: the exactly-once effect, and the fence against late writers."""

CREATE_FENCES = """
CREATE TABLE IF NOT EXISTS "{fences}" (
    fence BLOB PRIMARY KEY, topic_id TEXT NOT NULL, partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, expires_s INTEGER NOT NULL
) WITHOUT ROWID
"""

NEWER = """
SELECT 1 FROM "{table}" WHERE entity_key = :key AND topic_id = :topic_id
    AND partition = :partition AND next_offset > :next_offset
UNION ALL
SELECT 1 FROM "{fences}" WHERE fence = :fence AND topic_id = :topic_id
    AND partition = :partition AND next_offset > :next_offset
"""

DELETE = 'DELETE FROM "{table}" WHERE entity_key = :key'

WRITE_FENCE = """
INSERT OR REPLACE INTO "{fences}" (fence, topic_id, partition, next_offset, expires_s)
VALUES (:fence, :topic_id, :partition, :next_offset, :expires_s)
"""

DELETE_FENCES = 'DELETE FROM "{fences}" WHERE expires_s < ?'


READS_KEPT = 32
"""Texts of `read` that are remembered: it is asked for one user, or for a whole query of them."""


@lru_cache(READS_KEPT)
def read(tables: tuple[str, ...], users: int) -> str:
    """Reads all views of some users in one statement, and so of one state of the store.

    The parameters are the users' keys; the columns are key, index of the table and value.
    """
    marks = ",".join(f"?{n}" for n in range(1, users + 1))
    return " UNION ALL ".join(
        f'SELECT entity_key, {index}, value FROM "{table}" WHERE entity_key IN ({marks})'
        for index, table in enumerate(tables)
    )
