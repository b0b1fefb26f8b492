"""Events as columns, and back.

Actions are stored by name: numbers follow engagement, and a new action moves the others.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pagecast.featurestore.history.history import Action
from pagecast.featurestore.history.tokens import Context, Token, token_of
from pagecast.featurestore.offline.rows import LoggedEvent
from pagecast.featurestore.offline.schema import KEY, Schema
from pagecast.v1 import events_pb2

_COLUMNS = pa.schema(
    [
        ("topic_id", pa.string()),
        ("partition", pa.int32()),
        ("offset", pa.int64()),
        ("user_id", pa.string()),
        ("event_id", pa.string()),
        ("occurred_at", pa.timestamp("ms", tz="UTC")),
        ("action", pa.string()),
        ("entity_id", pa.string()),
        ("row_id", pa.string()),
        ("watched_ms", pa.int64()),
        ("rating", pa.int16()),
        ("device", pa.string()),
        ("country", pa.string()),
        ("language", pa.string()),
        ("surface", pa.string()),
        ("session_id", pa.string()),
        ("marks", pa.int32()),
        ("resume_ms", pa.int64()),
        ("page_id", pa.string()),
        ("row_position", pa.int32()),
        ("entity_position", pa.int32()),
        ("event", pa.large_binary()),
    ]
)

TOKEN_COLUMNS = tuple(_COLUMNS.names[len(KEY) : -1])
"""The columns of a token, in the order of its fields, its context flattened."""

_BEFORE_CONTEXT = Token._fields.index("context")

_ACTION_NAMES = [action.name.lower() for action in Action]

_ACTION_NUMBERS = {action.name.lower(): int(action) for action in Action}


def event_table(rows: Sequence[LoggedEvent]) -> pa.Table:
    """The columns of `rows`, in their order."""
    if not rows:
        return _COLUMNS.empty_table()
    topic_ids, partitions, offsets, tokens, values = zip(*rows, strict=True)
    fields: list[Sequence[Any]] = list(zip(*tokens, strict=True))
    fields[_BEFORE_CONTEXT : _BEFORE_CONTEXT + 1] = zip(*fields[_BEFORE_CONTEXT], strict=True)
    actions = TOKEN_COLUMNS.index("action")
    fields[actions] = [_ACTION_NAMES[number] for number in fields[actions]]
    columns = [topic_ids, partitions, offsets, *fields, values]
    return pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, _COLUMNS.types, strict=True)],
        schema=_COLUMNS,
    )


def tokens_of(table: pa.Table) -> list[Token]:
    """The tokens of a table that has TOKEN_COLUMNS."""
    if not len(table):
        return []
    columns = [_values(table[name]) for name in TOKEN_COLUMNS]
    actions = TOKEN_COLUMNS.index("action")
    columns[actions] = [_ACTION_NUMBERS[name] for name in columns[actions]]
    end = _BEFORE_CONTEXT + len(Context._fields)
    known: dict[tuple[str, ...], Context] = {}
    contexts = [
        known.get(half) or known.setdefault(half, Context._make(half))
        for half in zip(*columns[_BEFORE_CONTEXT:end], strict=True)
    ]
    columns[_BEFORE_CONTEXT:end] = [contexts]
    return list(map(Token._make, zip(*columns, strict=True)))


def events_of(table: pa.Table) -> list[LoggedEvent]:
    """The rows of a table that has all columns."""
    keys = [_values(table[name]) for name in KEY]
    values = table["event"].to_pylist()
    return list(map(LoggedEvent._make, zip(*keys, tokens_of(table), values, strict=True)))


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if not pa.types.is_string(column.type):
        return list(column.to_numpy().tolist())
    encoded = column.combine_chunks().dictionary_encode()
    if 2 * len(encoded.dictionary) > len(column):
        return list(column.to_pylist())
    # Each string once: saves memory, and half of the time.
    distinct = np.array(encoded.dictionary.to_pylist(), object)
    return list(distinct[encoded.indices.to_numpy()])


def _from_version_1(table: pa.Table) -> pa.Table:
    values = table["event"].to_pylist()
    tokens = [token_of(events_pb2.InteractionEvent.FromString(value)) for value in values]
    keys = [table[name].to_pylist() for name in KEY]
    return event_table(list(map(LoggedEvent._make, zip(*keys, tokens, values, strict=True))))


_REPEATING = (
    "topic_id", "user_id", "action", "entity_id", "row_id", "device", "country", "language",
    "surface", "session_id", "page_id", "rating", "marks", "row_position", "entity_position",
)  # fmt: skip

EVENTS = Schema(
    version=2,
    columns=_COLUMNS,
    record="event",
    day_of="occurred_at",
    dictionary=_REPEATING,
    sorted_numbers=("partition", "offset", "occurred_at", "watched_ms", "resume_ms"),
    upgrades={1: _from_version_1},
)
"""The schema of `interactions`."""
