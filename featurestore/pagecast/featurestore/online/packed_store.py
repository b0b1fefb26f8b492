"""What the online stores have in common: packed values, each with the version of its log.

A value goes through Feast's stores as a `Value` message with one bytes field, and is found by
Feast's serialised entity key. Both are written here by hand, because a batch has a thousand of
them; the tests compare with Feast's own.
"""

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from pagecast.featurestore.history.history import HistoryVersion
from pagecast.featurestore.history.packing import PackedHistoryError

JOIN_KEY: Final = "user_id"

PACKED: Final = "packed"
"""The one feature of every view."""

FENCE_S: Final = 3600
"""How long a deleted value's version is remembered against late writers. A worker that has lost
its partition learns of it within the broker's poll interval of five minutes; the rest is margin."""

_STRING_TYPE: Final = 2
"""Feast's ValueType.STRING."""

JOIN_KEYS: Final[Mapping[str, str]] = {
    "entity_embedding": "entity_id",
    "genre_embedding": "genre",
    "row_embedding": "row_id",
}
"""Join keys of the views that are not of a user."""


def _key_prefix(join_key: str) -> bytes:
    """Count of join keys, type and length of the one, itself, type of the value: format 3."""
    head = struct.pack("<III", 1, _STRING_TYPE, len(join_key))
    return head + join_key.encode() + struct.pack("<I", _STRING_TYPE)


_USER_PREFIX: Final = _key_prefix(JOIN_KEY)

_PREFIXES: Final = {view: _key_prefix(join_key) for view, join_key in JOIN_KEYS.items()}

_BYTES_TAG: Final = b"\x0a"
"""Field 1, `bytes_val`, length-delimited."""

_VARINT_BYTES_MAX: Final = 5
"""Of a length: a message has less than 2 GB."""


class PackedRow(NamedTuple):
    """One user's value of one view to be written, or deleted."""

    user_id: str
    """The value of the view's join key: a user, unless it is among JOIN_KEYS."""
    value: bytes | None
    """Packed; None deletes, and the version is remembered for FENCE_S."""
    version: HistoryVersion
    at_ms: int
    """The row's time as Feast shows it; nothing of ours reads it."""


class PackedStore(Protocol):
    """A Feast online store of packed values. Safe for threads; open it after forking.

    A write is refused if the stored value was built from the same topic id and partition up to a
    greater offset, or if such a value was deleted less than FENCE_S ago.
    """

    def read_packed(
        self, config: Any, views: Sequence[Any], user_ids: Sequence[str]
    ) -> Iterator[tuple[bytes | None, ...]]:
        """For each user, the value of each view, in the order asked; None if there is none."""

    def write_packed(self, config: Any, view: Any, rows: Sequence[PackedRow]) -> list[str]:
        """Writes each row that is not older than what is stored; returns the refused users."""

    def update(
        self,
        config: Any,
        tables_to_delete: Sequence[Any],
        tables_to_keep: Sequence[Any],
        entities_to_delete: Sequence[Any],
        entities_to_keep: Sequence[Any],
        partial: bool,
    ) -> None:
        """Feast's: prepares the store for the views to keep."""

    def close_connections(self) -> None:
        """Closes all connections; new ones are opened if the store is used again."""


def entity_key(user_id: str, view: str = "") -> bytes:
    """Feast's serialised entity key of a user, or of what a view among JOIN_KEYS is of."""
    text = user_id.encode()
    return _PREFIXES.get(view, _USER_PREFIX) + struct.pack("<I", len(text)) + text


def fence_of(view: str, user_id: str) -> bytes:
    """What a deleted value's version is remembered by: it does not show whose it was."""
    return hashlib.blake2b(f"{view}/{user_id}".encode(), digest_size=16).digest()


def value_bytes(packed: bytes) -> bytes:
    """A packed value as Feast's serialised `Value`."""
    length, head = len(packed), bytearray(_BYTES_TAG)
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + packed


def packed_of(value: bytes) -> bytes:
    """The inverse of `value_bytes`. Raises PackedHistoryError for a `Value` of another kind."""
    length, begin, byte = 0, 1, 0x80
    while byte >= 0x80 and begin < min(len(value), 1 + _VARINT_BYTES_MAX):
        byte = value[begin]
        length |= (byte & 0x7F) << 7 * (begin - 1)
        begin += 1
    if value[:1] != _BYTES_TAG or byte >= 0x80 or len(value) != begin + length:
        raise PackedHistoryError("the stored value is not the one bytes field of a Value")
    return value[begin:]
