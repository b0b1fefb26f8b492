"""Step 2 of the life of an event: what a record must be before anything is done with it."""

import time
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator

from pagecast.eventlog.plain import plainly_valid
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection, rejected, wrong_key
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, TRAININGS
from pagecast.eventlog.violations import field_of, told
from pagecast.v1 import catalog_pb2, events_pb2, training_pb2

INTERACTION_BYTES_MAX = 256 * 1024
"""An impression of forty rows is 10 KB; a history must not be crowded out by one event."""

CATALOG_BYTES_MAX = 512 * 1024
"""An entity with sixteen content embeddings is half of it; every server holds every entity."""

PROFILE_BYTES_MAX = 4 * 1024
"""An id of 256 bytes, a language and two numbers."""

PAGE_BYTES_MAX = 512 * 1024
"""Forty rows of forty entities with the longest ids are 420 KB."""

TRAINING_BYTES_MAX = 4 * 1024
"""An id of 256 bytes and a detail of 1,024."""

FUTURE_MS_MAX = 60 * 60 * 1000
"""How far ahead a client's clock may be. No more than how late an event may be, so that one event
from the future does not make those after it too late."""

BYTES_MAX = {
    INTERACTIONS: INTERACTION_BYTES_MAX,
    CATALOG: CATALOG_BYTES_MAX,
    PROFILES: PROFILE_BYTES_MAX,
    PAGES: PAGE_BYTES_MAX,
    TRAININGS: TRAINING_BYTES_MAX,
}
"""Bytes of a message, by topic."""

USER_ID_BYTES_MAX = 256
"""As the protos say."""

AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileErased:
    """A record of the profile topic without a value: the profile of this user is to be erased."""

    user_id: str


_EVENT: Final = events_pb2.InteractionEvent.FromString

_FUTURE_S: Final = FUTURE_MS_MAX / 1000

_VALIDATOR: Final = Validator()
"""One for the process: it compiles the rules of a message once, and is safe with threads."""


def interaction_of(record: Record) -> events_pb2.InteractionEvent | Rejection:
    """The event of a record of the interaction topic."""
    value = record.value
    if value and len(value) <= INTERACTION_BYTES_MAX:
        # The way of nearly every record, with no calls in between: each would cost a tenth of it.
        try:
            event = _EVENT(value)
        except DecodeError as error:
            return rejected(Reason.MALFORMED, "", str(error))
        until_s = _until_s(record)
        if plainly_valid(event, until_s) or not (refused := broken_rule(event, until_s)):
            return event if record.key == event.user_id.encode() else wrong_key("user_id")
        return refused
    parsed = _parsed(record, events_pb2.InteractionEvent)
    assert isinstance(parsed, Rejection)
    return parsed


def catalog_change_of(record: Record) -> catalog_pb2.CatalogChange | Rejection:
    """The change of a record of the catalog topic."""
    change = _parsed(record, catalog_pb2.CatalogChange)
    if isinstance(change, Rejection):
        return change
    if rejection := broken_rule(change, _until_s(record)):
        return rejection
    right = record.key == catalog_key(change).encode()
    return change if right else wrong_key("the id of what changes")


def profile_change_of(record: Record) -> events_pb2.ProfileChange | ProfileErased | Rejection:
    """The change of a record of the profile topic."""
    if record.value is None and record.key:
        return _erased(record.key)
    change = _parsed(record, events_pb2.ProfileChange)
    if isinstance(change, Rejection):
        return change
    if rejection := broken_rule(change, _until_s(record)):
        return rejection
    return change if record.key == change.user_id.encode() else wrong_key("user_id")


def page_served_of(record: Record) -> events_pb2.PageServed | Rejection:
    """The page of a record of the topic of served pages.

    Servers write them, so their proto has no rules of its own: what the join with impressions
    relies on is checked here.
    """
    page = _parsed(record, events_pb2.PageServed)
    if isinstance(page, Rejection):
        return page
    refused = _broken_page(page, _until_s(record))
    if refused is not None:
        return refused
    return page if record.key == page.user_id.encode() else wrong_key("user_id")


def training_requested_of(record: Record) -> training_pb2.TrainingRequested | Rejection:
    """The request of a record of the topic of trainings."""
    request = _parsed(record, training_pb2.TrainingRequested)
    if isinstance(request, Rejection):
        return request
    if (rejection := broken_rule(request, _until_s(record))) is not None:
        return rejection
    return request if record.key == request.request_id.encode() else wrong_key("request_id")


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


def broken_event_rule(event: events_pb2.InteractionEvent) -> Rejection | None:
    """What `broken_rule` says of an event, at a tenth of the price if nothing is wrong."""
    if plainly_valid(event, time.time() + _FUTURE_S):
        return None
    return broken_rule(event)


def broken_rule(message: Any, until_s: float | None = None) -> Rejection | None:
    """The first rule of its .proto that a message breaks, or its time being in the future.

    The future begins at `until_s`, seconds since 1970; None is an hour from now.
    """
    try:
        violations = _VALIDATOR.collect_violations(message, fail_fast=True)
    except EvaluationError as error:
        return rejected(Reason.RULE_BROKEN, "", str(error))
    if violations:
        violation = violations[0].proto
        detail = f"{told(violation, message)} (rule {violation.rule_id})"
        return rejected(Reason.RULE_BROKEN, field_of(violation), detail)
    until_s = time.time() + _FUTURE_S if until_s is None else until_s
    return _in_the_future(message.occurred_at, "occurred_at", until_s)


def order_to_forget(event: events_pb2.InteractionEvent) -> Rejection | None:
    """Refuses, at the doors that clients publish through, an order that is not theirs to give."""
    if not event.HasField("user_forgotten"):
        return None
    return rejected(
        Reason.RULE_BROKEN,
        "user_forgotten",
        "an erasure is ordered by ForgetUser or `pagecast forget`, which give a receipt",
    )


def _parsed(record: Record, message_type: type[AnyMessage]) -> AnyMessage | Rejection:
    value = record.value
    if not value:
        return rejected(Reason.MALFORMED, "", "the record has no value")
    if len(value) > BYTES_MAX[record.topic]:
        bytes_max = BYTES_MAX[record.topic]
        return rejected(Reason.TOO_LARGE, "", f"{len(value)} bytes; at most {bytes_max} are taken")
    try:
        return message_type.FromString(value)
    except DecodeError as error:
        return rejected(Reason.MALFORMED, "", str(error))


def _erased(key: bytes) -> ProfileErased | Rejection:
    try:
        user_id = key.decode()
    except UnicodeDecodeError:
        user_id = ""
    if not _is_id(user_id):
        return rejected(Reason.MALFORMED, "", "the record has no value, and its key is no user")
    return ProfileErased(user_id=user_id)


def _until_s(record: Record) -> float:
    """The latest moment at which what a record tells may have happened, in seconds since 1970.

    It depends on when the record was sent, if that is known: by the reader's clock alone, a log
    that is read again would be judged differently, and make other histories.
    """
    now_s, sent_s = time.time(), record.timestamp_ms / 1000
    return (min(now_s, sent_s) if sent_s > 0 else now_s) + _FUTURE_S


def _broken_page(page: events_pb2.PageServed, until_s: float) -> Rejection | None:
    for field in ("page_id", "user_id"):
        if not _is_id(getattr(page, field)):
            return rejected(
                Reason.RULE_BROKEN, field, "must be an id of 1 to 256 bytes, no control characters"
            )
    if not page.HasField("requested_at") or page.requested_at.seconds < 0:
        return rejected(Reason.RULE_BROKEN, "requested_at", "must be set, and not before 1970")
    for i, row in enumerate(page.rows):
        if not _is_id(row.row_id):
            return rejected(Reason.RULE_BROKEN, f"rows[{i}].row_id", "must be the row's id")
        if len(row.entity_log_probabilities) != len(row.entity_ids):
            return rejected(
                Reason.RULE_BROKEN,
                f"rows[{i}].entity_log_probabilities",
                "must have one number for each of entity_ids",
            )
    return _in_the_future(page.requested_at, "requested_at", until_s)


def _in_the_future(at: Any, field: str, until_s: float) -> Rejection | None:
    """`at` is a valid timestamp: protovalidate refuses others of events."""
    if at.seconds <= until_s:
        return None
    return rejected(
        Reason.IN_THE_FUTURE,
        field,
        f"{at.seconds} s since 1970 is more than {FUTURE_MS_MAX // 3_600_000} h ahead: correct the "
        "client's clock",
    )


def _is_id(text: str) -> bool:
    """The protos' rule of an id: 1 to 256 bytes, none of them a control character."""
    if not 0 < len(text.encode()) <= USER_ID_BYTES_MAX:
        return False
    return text.isprintable() or not any(c < " " or c == "\x7f" for c in text)
