"""What a part file holds, by schema version; the version is in the file's own metadata.

Version 1 of `interactions` had the event's bytes and a few columns for queries; version 2 has a
column for everything in a `Token`, so that a fold parses nothing. A part of any earlier version is
upgraded to the newest as it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

KEY = ("topic_id", "partition", "offset")
"""What a row is known by."""

VERSION_NAME = b"pagecast.schema_version"
"""In the metadata of a part; parts of version 1 do not have it."""

ZSTD_LEVEL = 1
"""Level 3 takes a quarter more time and saves nothing on short parts (benchmarks/offline.md)."""

Upgrade = Callable[[pa.Table], pa.Table]
"""Makes a table of the newest version from the key and the record's bytes of an older one."""


class UnknownSchemaError(ValueError):
    """A part was written by a newer Pagecast than this."""


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns of a dataset's parts, and how to get them from earlier versions."""

    version: int
    """The newest version: the one that is written."""
    columns: pa.Schema
    """Of the newest version; begins with the key."""
    record: str
    """The column with the record's bytes, in every version."""
    day_of: str
    """The column with the moment whose day names the folder."""
    dictionary: tuple[str, ...]
    """Columns whose values repeat."""
    sorted_numbers: tuple[str, ...]
    """Columns of numbers that grow by little: stored as differences."""
    upgrades: dict[int, Upgrade] = field(default_factory=dict)
    """By version, one for every earlier one."""

    def version_of(self, metadata: pq.FileMetaData, path: str) -> int:
        """Raises UnknownSchemaError if the part is newer than this code."""
        version = int((metadata.metadata or {}).get(VERSION_NAME, b"1"))
        if version > self.version:
            raise UnknownSchemaError(
                f"{path}: schema version {version}, and this Pagecast reads up to {self.version}; "
                "read it with the version of Pagecast that wrote it, or a newer one"
            )
        return version

    def encode(self, table: pa.Table) -> pa.Buffer:
        """A part file with the rows of `table`, the same bytes for the same rows."""
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, table.schema, **self._options()) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({VERSION_NAME: str(self.version)})
        return sink.getvalue()

    def _options(self) -> dict[str, Any]:
        return {
            "compression": "zstd",
            "compression_level": ZSTD_LEVEL,
            "use_dictionary": list(self.dictionary),
            "column_encoding": dict.fromkeys(self.sorted_numbers, "DELTA_BINARY_PACKED"),
            # For pruning by position. Of other columns, a part has nearly every value.
            "write_statistics": list(KEY),
            "store_schema": False,
        }

    def only(self, columns: tuple[str, ...]) -> pa.Schema:
        return pa.schema([self.columns.field(name) for name in columns])
