"""A history, or a profile, as one self-describing binary value.

A value is a fixed header with the version (so that a store compares versions without knowing the
rest), the topic id, and a protobuf message: `PackedHistory` or `ProfileChange`.
"""

import struct
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import fields

from google.protobuf.message import DecodeError

from pagecast.featurestore.history import (
    RECENT_EVENTS_MAX,
    Action,
    History,
    HistoryVersion,
    Profile,
    Step,
)
from pagecast.v1 import events_pb2, history_pb2

FORMAT = 1
"""Version of the header and of `PackedHistory`; a greater one is refused."""

_HISTORY, _PROFILE = b"PCH", b"PCP"

_HEADER = struct.Struct(">3sBiqH")
"""Magic, format, partition, next offset, length of the topic id that follows."""

_ACTIONS = tuple(Action)

_FIELD_SETTERS = tuple(getattr(Step, field.name).__set__ for field in fields(Step))


class PackedHistoryError(ValueError):
    """The value is not one that this version of Pagecast can read; the message says why."""


def pack(history: History) -> bytes:
    """Packs a history. Raises ValueError if it has no version: it comes from no log."""
    if history.version is None:
        raise ValueError("a history without a version cannot be packed: apply an event first")
    strings = _Strings()
    steps = history.steps
    message = history_pb2.PackedHistory(
        format=FORMAT,
        occurred_at_ms=[s.occurred_at_ms for s in steps],
        action=[s.action for s in steps],
        entity=strings.indices([s.entity_id for s in steps]),
        row=strings.indices([s.row_id for s in steps]),
        watched_ms=[s.watched_ms for s in steps],
        rating=[0 if s.rating is None else int(s.rating * 2) + 1 for s in steps],
        events=[s.events for s in steps],
        device=strings.indices([s.device for s in steps]),
        country=strings.indices([s.country for s in steps]),
        language=strings.indices([s.language for s in steps]),
        surface=strings.indices([s.surface for s in steps]),
        session=strings.indices([s.session_id for s in steps]),
        recent_event_hashes=history.recent_event_hashes,
        hidden=strings.indices(history.hidden),
        completed=strings.indices(history.completed),
        listed=strings.indices(history.listed),
        resume_entity=strings.indices(history.resume_ms),
        resume_position_ms=history.resume_ms.values(),
        steps_dropped=history.steps_dropped,
    )
    message.strings.extend(strings.known)
    return _header(_HISTORY, history.version) + message.SerializeToString()


def unpack(user_id: str, data: bytes) -> History:
    """The inverse of `pack`. Raises PackedHistoryError."""
    version, body = _split(_HISTORY, data)
    message = history_pb2.PackedHistory()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise PackedHistoryError(f"the body is no PackedHistory: {error}") from error
    names = ("", *message.strings)
    try:
        return History(
            user_id=user_id,
            version=version,
            steps=_steps(message, names),
            recent_event_hashes=deque(message.recent_event_hashes, maxlen=RECENT_EVENTS_MAX),
            hidden=dict.fromkeys(names[i] for i in message.hidden),
            completed=dict.fromkeys(names[i] for i in message.completed),
            listed=dict.fromkeys(names[i] for i in message.listed),
            resume_ms={
                names[i]: position_ms
                for i, position_ms in zip(
                    message.resume_entity, message.resume_position_ms, strict=True
                )
            },
            steps_dropped=message.steps_dropped,
        )
    except (IndexError, ValueError) as error:
        raise PackedHistoryError(f"columns do not fit each other: {error}") from error


def pack_profile(user_id: str, profile: Profile, version: HistoryVersion) -> bytes:
    """Packs a profile; `version` is the profile topic's."""
    message = events_pb2.ProfileChange(
        user_id=user_id,
        language=profile.language,
        profile_type=events_pb2.ProfileType.ValueType(profile.profile_type),
        maturity_limit=profile.maturity_limit,
    )
    message.occurred_at.FromMilliseconds(profile.occurred_at_ms)
    return _header(_PROFILE, version) + message.SerializeToString()


def unpack_profile(data: bytes) -> Profile:
    """The inverse of `pack_profile`. Raises PackedHistoryError."""
    _, body = _split(_PROFILE, data)
    try:
        return profile_of(events_pb2.ProfileChange.FromString(body))
    except DecodeError as error:
        raise PackedHistoryError(f"the body is no ProfileChange: {error}") from error


def profile_of(change: events_pb2.ProfileChange) -> Profile:
    """The profile after a change; a change says all that is known."""
    return Profile(
        language=change.language,
        profile_type=int(change.profile_type),
        maturity_limit=change.maturity_limit if change.HasField("maturity_limit") else None,
        occurred_at_ms=change.occurred_at.ToMilliseconds(),
    )


def peek_version(data: bytes) -> HistoryVersion:
    """The version of a packed history or profile; the body is not read.

    Raises PackedHistoryError.
    """
    return _split(data[:3], data)[0]


class _Strings:
    """A string table under construction; index 0 is the empty string and is not stored."""

    def __init__(self) -> None:
        self._indices = {"": 0}

    @property
    def known(self) -> Sequence[str]:
        return list(self._indices)[1:]

    def indices(self, names: Collection[str]) -> list[int]:
        known = self._indices
        for name in dict.fromkeys(names):
            known.setdefault(name, len(known))
        return [known[name] for name in names]


def _header(magic: bytes, version: HistoryVersion) -> bytes:
    topic_id = version.topic_id.encode()
    return (
        _HEADER.pack(magic, FORMAT, version.partition, version.next_offset, len(topic_id))
        + topic_id
    )


def _split(expected: bytes, data: bytes) -> tuple[HistoryVersion, bytes]:
    if len(data) < _HEADER.size:
        raise PackedHistoryError(f"{len(data)} bytes are shorter than the header")
    magic, form, partition, next_offset, topic_length = _HEADER.unpack_from(data)
    if magic != expected or magic not in (_HISTORY, _PROFILE):
        raise PackedHistoryError(f"it begins with {magic!r}, not with {expected!r}")
    if form > FORMAT:
        raise PackedHistoryError(
            f"format {form} is newer than the known {FORMAT}: upgrade this process first"
        )
    end = _HEADER.size + topic_length
    if len(data) < end:
        raise PackedHistoryError("it ends within the topic id")
    try:
        topic_id = data[_HEADER.size : end].decode()
    except UnicodeDecodeError as error:
        raise PackedHistoryError(f"the topic id is no text: {error}") from error
    version = HistoryVersion(topic_id=topic_id, partition=partition, next_offset=next_offset)
    return version, data[end:]


def _steps(message: history_pb2.PackedHistory, names: Sequence[str]) -> list[Step]:
    """Steps from columns in the order of `Step`'s fields.

    A frozen dataclass sets each field through `object.__setattr__`; setting them a column at a
    time through the slots takes a third of the time, on the path of every page.
    """
    columns: tuple[Sequence[object], ...] = (
        message.occurred_at_ms,
        [_ACTIONS[i] for i in message.action],
        [names[i] for i in message.entity],
        [names[i] for i in message.row],
        message.watched_ms,
        [(i - 1) / 2 if i else None for i in message.rating],
        message.events,
        [names[i] for i in message.device],
        [names[i] for i in message.country],
        [names[i] for i in message.language],
        [names[i] for i in message.surface],
        [names[i] for i in message.session],
    )
    steps = [Step.__new__(Step) for _ in message.occurred_at_ms]
    for set_field, column in zip(_FIELD_SETTERS, columns, strict=True):
        if len(column) != len(steps):
            raise ValueError(f"{len(column)} values for {len(steps)} steps")
        deque(map(set_field, steps, column), maxlen=0)
    return steps
