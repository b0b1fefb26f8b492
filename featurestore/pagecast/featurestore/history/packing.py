"""A history, or a profile, as one self-describing binary value.

A value is a fixed header with the version (so that a store compares versions without knowing the
rest), the topic id, and a protobuf message: `PackedHistory` or `ProfileChange`.
"""

import struct
import sys
from array import array
from collections.abc import Iterable

from google.protobuf.message import DecodeError

from pagecast.featurestore.history.history import (
    HASH_BYTES,
    History,
    HistoryVersion,
    Profile,
    Total,
)
from pagecast.featurestore.history.step_columns import StepColumns, Strings
from pagecast.featurestore.history.steps import ACTIONS, Context
from pagecast.v1 import events_pb2, history_pb2

FORMAT = 2
"""Version of the header and of `PackedHistory`; another one is refused."""

ANY_FOLD = 0
"""Fingerprint for those who only read: it fits whatever a history was folded with."""

_HISTORY, _PROFILE, _EMBEDDING = b"PCH", b"PCP", b"PCE"

_HEADER = struct.Struct(">3sBiqH")
"""Magic, format, partition, next offset, length of the topic id that follows."""

_DAMAGED = "restore the store, or make the histories anew (docs/events.md, Replaying)"

_SEPARATOR = "\0"
"""Joins names: no id and no name may hold control characters."""

_FIELDS = {"at_ms": "occurred_at_ms"}
"""Names of columns in `PackedHistory` where they differ."""

_COLUMNS = tuple(
    (name, _FIELDS.get(name, name), typecode) for name, typecode in StepColumns.COLUMNS
)

if sys.byteorder != "little":
    raise ImportError("histories are packed by copying little-endian columns: use such a machine")


class PackedHistoryError(ValueError):
    """This version of Pagecast cannot read the value; the message says why."""


def pack(history: History, fold: int = ANY_FOLD) -> bytes:
    """Packs a history; `fold` is the fingerprint of the configuration it was folded with.

    Raises ValueError if it has no version: it comes from no log.
    """
    if not history.next_offset:
        raise ValueError("a history without a version cannot be packed: apply an event first")
    indices = history.strings.indices
    steps = history.steps
    message = history_pb2.PackedHistory(
        format=FORMAT,
        fold=fold,
        strings=_SEPARATOR.join(history.strings.names),
        contexts=_u16(indices[name] for context in steps.contexts for name in context),
        recent_event_hashes=bytes(history.recent_event_hashes),
        hidden=_u16(map(indices.__getitem__, history.hidden)),
        completed=_u16(map(indices.__getitem__, history.completed)),
        listed=_u16(map(indices.__getitem__, history.listed)),
        resume_entity=_u16(map(indices.__getitem__, history.resume_ms)),
        resume_position_ms=array("Q", history.resume_ms.values()).tobytes(),
        stopped_entity=_u16(map(indices.__getitem__, history.stopped_ms)),
        stopped_at_ms=array("q", history.stopped_ms.values()).tobytes(),
        steps_dropped=history.steps_dropped,
        entity_totals=_packed_totals(history.entity_totals, indices),
        row_totals=_packed_totals(history.row_totals, indices),
        **{field: getattr(steps, name).tobytes() for name, field, _ in _COLUMNS},
    )
    head = _header(_HISTORY, history.topic_id, history.partition, history.next_offset)
    return head + message.SerializeToString()


def unpack(user_id: str, data: bytes, fold: int = ANY_FOLD) -> History:
    """The inverse of `pack`. Raises PackedHistoryError, also for another fold's history."""
    version, body = _split(_HISTORY, data)
    message = history_pb2.PackedHistory()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise PackedHistoryError(f"the body is no PackedHistory: {error}; {_DAMAGED}") from error
    if fold and message.fold and message.fold != fold:
        raise PackedHistoryError(
            "it was folded with another configuration: set [fold] as it was, or make the histories "
            "anew (docs/events.md, Replaying)"
        )
    try:
        return _unpacked(History(user_id, version), message)
    except (IndexError, ValueError, KeyError) as error:
        raise PackedHistoryError(f"columns do not fit each other: {error}; {_DAMAGED}") from error


def _unpacked(history: History, message: history_pb2.PackedHistory) -> History:
    strings = history.strings = Strings(message.strings.split(_SEPARATOR))
    steps = history.steps = StepColumns(strings)
    names = strings.names
    for name, field, typecode in _COLUMNS:
        setattr(steps, name, array(typecode, getattr(message, field)))
    indices = array("H", message.contexts)
    width = len(Context._fields)
    steps.contexts = [
        Context._make([names[i] for i in indices[at : at + width]])
        for at in range(0, len(indices), width)
    ]
    history.recent_event_hashes = bytearray(message.recent_event_hashes)
    history.hidden = dict.fromkeys(_names(message.hidden, names))
    history.completed = dict.fromkeys(_names(message.completed, names))
    history.listed = dict.fromkeys(_names(message.listed, names))
    positions_ms = array("Q", message.resume_position_ms)
    resumable = _names(message.resume_entity, names)
    history.resume_ms = dict(zip(resumable, positions_ms, strict=True))
    stopped = _names(message.stopped_entity, names)
    history.stopped_ms = dict(zip(stopped, array("q", message.stopped_at_ms), strict=True))
    history.steps_dropped = message.steps_dropped
    history.entity_totals = _totals(message.entity_totals, names)
    history.row_totals = _totals(message.row_totals, names)
    _check(steps)
    if len(history.recent_event_hashes) % HASH_BYTES:
        raise ValueError("the recent event hashes are cut")
    return history


def _check(steps: StepColumns) -> None:
    """Raises ValueError now: later, an index out of range would fail a page."""
    if any(len(getattr(steps, name)) != len(steps) for name, _, _ in _COLUMNS):
        raise ValueError("columns of steps differ in length")
    bounds = (
        (steps.action, len(ACTIONS)),
        (steps.entity, len(steps.strings)),
        (steps.row, len(steps.strings)),
        (steps.context, len(steps.contexts)),
    )
    if any(column and max(column) >= bound for column, bound in bounds):
        raise ValueError("a step points beyond its table")


def _u16(indices: Iterable[int]) -> bytes:
    return array("H", indices).tobytes()


def _names(indices: bytes, names: list[str]) -> list[str]:
    return [names[i] for i in array("H", indices)]


def _packed_totals(
    totals: dict[str, Total], indices: dict[str, int]
) -> history_pb2.PackedTotals | None:
    if not totals:
        return None
    steps, watched_ms, last_at_ms = zip(*totals.values(), strict=True)
    return history_pb2.PackedTotals(
        name=_u16(map(indices.__getitem__, totals)),
        steps=array("I", steps).tobytes(),
        watched_ms=array("Q", watched_ms).tobytes(),
        last_at_ms=array("q", last_at_ms).tobytes(),
    )


def _totals(message: history_pb2.PackedTotals, names: list[str]) -> dict[str, Total]:
    columns = (
        array("I", message.steps),
        array("Q", message.watched_ms),
        array("q", message.last_at_ms),
    )
    totals = map(Total._make, zip(*columns, strict=True))
    return dict(zip(_names(message.name, names), totals, strict=True))


def pack_profile(user_id: str, profile: Profile, version: HistoryVersion) -> bytes:
    """Packs a profile; `version` is the profile topic's."""
    head = _header(_PROFILE, version.topic_id, version.partition, version.next_offset)
    return head + profile_change(user_id, profile).SerializeToString()


def unpack_profile(data: bytes) -> Profile:
    """The inverse of `pack_profile`. Raises PackedHistoryError."""
    _, body = _split(_PROFILE, data)
    try:
        return profile_of(events_pb2.ProfileChange.FromString(body))
    except DecodeError as error:
        raise PackedHistoryError(f"the body is no ProfileChange: {error}") from error


def profile_change(user_id: str, profile: Profile) -> events_pb2.ProfileChange:
    """The change that says all of a profile: the inverse of `profile_of`."""
    change = events_pb2.ProfileChange(
        user_id=user_id,
        language=profile.language,
        profile_type=events_pb2.ProfileType.ValueType(profile.profile_type),
        maturity_limit=profile.maturity_limit,
    )
    change.occurred_at.FromMilliseconds(profile.occurred_at_ms)
    return change


def profile_of(change: events_pb2.ProfileChange) -> Profile:
    """The profile after a change; a change says all that is known."""
    return Profile(
        language=change.language,
        profile_type=int(change.profile_type),
        maturity_limit=change.maturity_limit if change.HasField("maturity_limit") else None,
        occurred_at_ms=change.occurred_at.ToMilliseconds(),
    )


def peek_version(data: bytes) -> HistoryVersion:
    """The version of a packed value; the body is not read.

    Raises PackedHistoryError.
    """
    return _split(data[:3], data)[0]


def pack_body(magic: bytes, version: HistoryVersion, body: bytes) -> bytes:
    """A value of another kind, under the same header."""
    return _header(magic, version.topic_id, version.partition, version.next_offset) + body


def unpack_body(magic: bytes, data: bytes) -> tuple[HistoryVersion, bytes]:
    """The inverse of `pack_body`. Raises PackedHistoryError."""
    return _split(magic, data)


def _header(magic: bytes, topic_id: str, partition: int, next_offset: int) -> bytes:
    topic = topic_id.encode()
    return _HEADER.pack(magic, FORMAT, partition, next_offset, len(topic)) + topic


def _split(expected: bytes, data: bytes) -> tuple[HistoryVersion, bytes]:
    if len(data) < _HEADER.size:
        raise PackedHistoryError(f"{len(data)} bytes are shorter than the header")
    magic, form, partition, next_offset, topic_length = _HEADER.unpack_from(data)
    if magic != expected or magic not in (_HISTORY, _PROFILE, _EMBEDDING):
        raise PackedHistoryError(f"it begins with {magic!r}, not with {expected!r}")
    if form != FORMAT:
        remedy = (
            "upgrade this process first"
            if form > FORMAT
            else "make the stores anew from the topics (docs/events.md, Replaying)"
        )
        raise PackedHistoryError(f"it is of format {form}, not of {FORMAT}: {remedy}")
    end = _HEADER.size + topic_length
    if len(data) < end:
        raise PackedHistoryError("it ends within the topic id")
    try:
        topic_id = data[_HEADER.size : end].decode()
    except UnicodeDecodeError as error:
        raise PackedHistoryError(f"the topic id is no text: {error}") from error
    version = HistoryVersion(topic_id=topic_id, partition=partition, next_offset=next_offset)
    return version, data[end:]
