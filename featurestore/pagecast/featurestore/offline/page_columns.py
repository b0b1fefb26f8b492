"""Served pages as columns, and back."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pagecast.featurestore.history.tokens import milliseconds
from pagecast.featurestore.offline.rows import LoggedPage
from pagecast.featurestore.offline.schema import KEY, Schema
from pagecast.v1 import events_pb2

PAGES = Schema(
    version=1,
    columns=pa.schema(
        [
            ("topic_id", pa.string()),
            ("partition", pa.int32()),
            ("offset", pa.int64()),
            ("page_id", pa.string()),
            ("user_id", pa.string()),
            ("requested_at", pa.timestamp("ms", tz="UTC")),
            ("model_version", pa.string()),
            ("arm", pa.string()),
            ("history_topic_id", pa.string()),
            ("history_partition", pa.int32()),
            ("history_next_offset", pa.int64()),
            ("page", pa.large_binary()),
        ]
    ),
    record="page",
    day_of="requested_at",
    dictionary=("topic_id", "user_id", "model_version", "arm", "history_topic_id"),
    sorted_numbers=("partition", "offset", "requested_at", "history_next_offset"),
)
"""The schema of `pages`."""


def page_table(rows: Sequence[LoggedPage]) -> pa.Table:
    """The columns of `rows`, in their order."""
    if not rows:
        return PAGES.columns.empty_table()
    columns: Sequence[Sequence[Any]] = list(zip(*map(_cells, rows), strict=True))
    return pa.Table.from_arrays(
        [pa.array(values, kind) for values, kind in zip(columns, PAGES.columns.types, strict=True)],
        schema=PAGES.columns,
    )


def _cells(row: LoggedPage) -> tuple[Any, ...]:
    page, history = row.page, row.page.history_version
    return (
        row.topic_id,
        row.partition,
        row.offset,
        page.page_id,
        page.user_id,
        milliseconds(page.requested_at),
        page.model_version,
        page.arm,
        history.topic_id,
        history.partition,
        history.next_offset,
        row.value,
    )


def pages_of(table: pa.Table) -> list[LoggedPage]:
    """The rows of a table that has the key and `page`."""
    keys = [table[name].to_pylist() for name in KEY]
    values = table["page"].to_pylist()
    pages = [events_pb2.PageServed.FromString(value) for value in values]
    return list(map(LoggedPage._make, zip(*keys, pages, values, strict=True)))
