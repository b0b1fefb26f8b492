"""Rows as Feast's own push and write hand them to a store."""

from collections.abc import Sequence
from datetime import datetime

from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import make_tzaware

from pagecast.featurestore.history.packing import peek_version
from pagecast.featurestore.online.packed_store import PackedRow

OnlineRow = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""Key, feature values, event time, creation time."""


def packed_rows(data: Sequence[OnlineRow]) -> list[PackedRow]:
    """Raises PackedHistoryError if a value is not packed: it has no version."""
    rows = []
    for key, values, event_time, _ in data:
        ((_, value),) = values.items()
        packed = value.bytes_val
        at_ms = int(make_tzaware(event_time).timestamp() * 1000)
        user_id = key.entity_values[0].string_val
        rows.append(PackedRow(user_id, packed, peek_version(packed), at_ms))
    return rows
