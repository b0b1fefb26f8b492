"""Logged pages as a file, ready for training."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.offline.files import writing
from pagecast.featurestore.pages.logged_pages import TABLE_SCHEMA, WINDOW_MS, logged_page_tables


class Written(NamedTuple):
    """What a file of logged pages holds."""

    pages: int
    entities: int


def write_logged_pages(log: OfflineLog, path: Path, *, window_ms: int = WINDOW_MS) -> Written:
    """Writes the logged pages to `path`, a Parquet or JSON lines file by its ending.

    The file appears whole or not at all; an existing one is replaced. In JSON lines `page` is
    base64 and times are RFC 3339. Raises ValueError for another ending, and OSError.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: end its name with {' or '.join(FORMATS)}")
    written = Written(0, 0)

    def counted() -> Iterator[pa.Table]:
        nonlocal written
        for table in logged_page_tables(log, window_ms=window_ms):
            entities = sum(len(chunk.flatten()) for chunk in table["entities"].chunks)
            written = Written(written.pages + len(table), written.entities + entities)
            yield table

    with writing(path) as file:
        FORMATS[path.suffix](counted(), file)
    return written


def _write_parquet(tables: Iterable[pa.Table], file: IO[bytes]) -> None:
    with pq.ParquetWriter(file, TABLE_SCHEMA, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)


def _write_json_lines(tables: Iterable[pa.Table], file: IO[bytes]) -> None:
    for table in tables:
        for page in table.to_pylist():
            file.write(json.dumps(page, default=_as_json, ensure_ascii=False).encode() + b"\n")


def _as_json(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.isoformat().replace("+00:00", "Z"))


FORMATS: dict[str, Callable[[Iterable[pa.Table], IO[bytes]], None]] = {
    ".parquet": _write_parquet,
    ".jsonl": _write_json_lines,
}
"""By the ending of the file's name."""
