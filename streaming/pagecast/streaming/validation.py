"""Step 2 of the life of an event: what a record must be before anything is done with it."""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator

from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES
from pagecast.v1 import catalog_pb2, events_pb2

INTERACTION_BYTES_MAX = 256 * 1024
"""An impression of forty rows is 10 KB; a history must not be crowded out by one event."""

CATALOG_BYTES_MAX = 512 * 1024
"""An entity with sixteen content embeddings is half of it; every server holds every entity."""

PROFILE_BYTES_MAX = 4 * 1024
"""An id of 256 bytes, a language and two numbers."""

FUTURE_MS_MAX = 24 * 60 * 60 * 1000
"""How far ahead a client's clock may be: a wrong time zone. A later event would make everything
that follows look late, and would be the newest for ever."""

BYTES_MAX = {
    INTERACTIONS: INTERACTION_BYTES_MAX,
    CATALOG: CATALOG_BYTES_MAX,
    PROFILES: PROFILE_BYTES_MAX,
}
"""Bytes of a message, by topic."""

DETAIL_CHARS_MAX = 512
"""A detail is for people, in a header."""

AnyMessage = TypeVar("AnyMessage", bound=Message)


class Reason(StrEnum):
    """Why a record was refused."""

    TOO_LARGE = "TOO_LARGE"
    MALFORMED = "MALFORMED"
    RULE_BROKEN = "RULE_BROKEN"
    KEY_MISMATCH = "KEY_MISMATCH"
    IN_THE_FUTURE = "IN_THE_FUTURE"
    WRONG_PARTITION = "WRONG_PARTITION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a record was refused, which field of it (empty: the whole), and what to mend."""

    reason: Reason
    field: str
    detail: str


_VALIDATOR = Validator()
"""One for the process: it compiles the rules of a message once, and is safe with threads."""


def interaction_of(record: Record) -> events_pb2.InteractionEvent | Rejection:
    """The event of a record of the interaction topic."""
    event = _parse(record, events_pb2.InteractionEvent)
    if isinstance(event, Rejection):
        return event
    return _wrong_key(record, event.user_id, "user_id") or event


def catalog_change_of(record: Record) -> catalog_pb2.CatalogChange | Rejection:
    """The change of a record of the catalog topic."""
    change = _parse(record, catalog_pb2.CatalogChange)
    if isinstance(change, Rejection):
        return change
    return _wrong_key(record, catalog_key(change), "the id of what changes") or change


def profile_change_of(record: Record) -> events_pb2.ProfileChange | Rejection:
    """The change of a record of the profile topic."""
    change = _parse(record, events_pb2.ProfileChange)
    if isinstance(change, Rejection):
        return change
    return _wrong_key(record, change.user_id, "user_id") or change


def catalog_key(change: catalog_pb2.CatalogChange) -> str:
    """The key under which a change is published: the id of the entity or row."""
    match change.WhichOneof("change"):
        case "upsert_entity":
            return change.upsert_entity.entity_id
        case "upsert_row":
            return change.upsert_row.row_id
        case "retire_entity_id":
            return change.retire_entity_id
        case _:
            return change.retire_row_id


def broken_rule(message: Any) -> Rejection | None:
    """The first rule of its .proto that a message breaks, or its time being in the future."""
    try:
        violations = _VALIDATOR.collect_violations(message, fail_fast=True)
    except EvaluationError as error:
        return _rejection(Reason.RULE_BROKEN, "", str(error))
    if violations:
        violation = violations[0].proto
        path = () if violation.field is None else violation.field.elements
        field = "".join(map(_path_element, path))[1:]
        return _rejection(
            Reason.RULE_BROKEN, field, f"{violation.message} (rule {violation.rule_id})"
        )
    if message.occurred_at.seconds > time.time() + FUTURE_MS_MAX / 1000:
        return _rejection(
            Reason.IN_THE_FUTURE,
            "occurred_at",
            f"{message.occurred_at.ToJsonString()} is more than {FUTURE_MS_MAX // 3_600_000} hours "
            "ahead: correct the client's clock",
        )
    return None


def _parse(record: Record, message_type: type[AnyMessage]) -> AnyMessage | Rejection:
    size, bytes_max = len(record.value), BYTES_MAX[record.topic]
    if size > bytes_max:
        return _rejection(Reason.TOO_LARGE, "", f"{size} bytes; at most {bytes_max} are taken")
    if not size:
        return _rejection(Reason.MALFORMED, "", "the record has no value")
    message = message_type()
    try:
        message.ParseFromString(record.value)
    except DecodeError as error:
        return _rejection(Reason.MALFORMED, "", str(error))
    return broken_rule(message) or message


def _wrong_key(record: Record, key: str, name: str) -> Rejection | None:
    if record.key == key.encode():
        return None
    return _rejection(
        Reason.KEY_MISMATCH, "", f"the record's key is not {name}: it must be, for its order"
    )


def _path_element(element: Any) -> str:
    subscript = element.subscript
    return f".{element.field_name}" + ("" if subscript is None else f"[{subscript.value}]")


def _rejection(reason: Reason, field: str, detail: str) -> Rejection:
    return Rejection(reason=reason, field=field, detail=detail[:DETAIL_CHARS_MAX])
