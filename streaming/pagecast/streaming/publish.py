"""Publishes JSON lines: one message per line, in the JSON mapping of the protos."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from google.protobuf import json_format
from google.protobuf.message import Message

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.rejection import Rejection
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES
from pagecast.eventlog.validation import (
    BYTES_MAX,
    broken_event_rule,
    broken_rule,
    catalog_key,
    order_to_forget,
)
from pagecast.v1 import catalog_pb2, events_pb2

LINE_BYTES_MAX = 4 * 1024 * 1024
"""A longer line is no message of ours, and must not be read into memory whole."""

PROGRESS_LINES = 500
"""Lines between reports of progress: often enough for a bar, too seldom to cost anything."""

_Publishable = events_pb2.InteractionEvent | catalog_pb2.CatalogChange | events_pb2.ProfileChange


class LineRefused(ValueError):  # noqa: N818 - named by what is wrong, as the others are
    """A line cannot be published; the message is `FILE:LINE: FIELD: what is wrong`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A message, and where it goes."""

    topic: str
    key: str
    message: Message


def publish_files(
    producer: EventProducer,
    files: Iterable[Path],
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Publishes files in the order given; returns how many messages went to each topic.

    Returns when all are acknowledged. `progress` is told how many bytes were read since it was told
    last. Raises LineRefused at the first wrong line, OSError, and what the producer raises. What
    comes before a wrong line is sent: mend the line and publish the file again; events that were
    sent twice are skipped.
    """
    counts: Counter[str] = Counter()
    try:
        for path in files:
            with path.open("rb") as file:
                for publication in read_publications(str(path), _lines(file, str(path), progress)):
                    producer.send(publication.topic, publication.key, publication.message)
                    counts[publication.topic] += 1
    finally:
        producer.flush()
    return dict(counts)


def read_publications(name: str, lines: Iterable[bytes]) -> Iterator[Publication]:
    """The messages of a file's lines; blank ones are skipped. Raises LineRefused."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _publication(line)
            except _RefusalError as error:
                raise LineRefused(f"{name}:{number}: {error}") from error


class _RefusalError(ValueError):
    """What is wrong with a line, without its place."""


def _lines(file: IO[bytes], name: str, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    told = number = 0
    while line := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise LineRefused(f"{name}:{number}: the line is longer than {LINE_BYTES_MAX} bytes")
        yield line
        if progress is not None and number % PROGRESS_LINES == 0:
            progress(file.tell() - told)
            told = file.tell()
    if progress is not None:
        progress(file.tell() - told)


def _publication(line: bytes) -> Publication:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _RefusalError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise _RefusalError("not a JSON object")
    message = _empty_message(fields)
    try:
        json_format.ParseDict(fields, message)
    except json_format.ParseError as error:
        raise _RefusalError(str(error).splitlines()[0]) from error
    except (OverflowError, RecursionError, SystemError, UnicodeError) as error:
        # An infinite number, or half a surrogate pair, which protobuf does not say a word about.
        reason = error.__cause__ or error
        raise _RefusalError(f"message: a number or a text that is none: {reason}") from error
    if rejection := _broken_rule(message):
        raise _RefusalError(f"{rejection.field or 'message'}: {rejection.detail}")
    publication = _addressed(message)
    size = message.ByteSize()
    if size > BYTES_MAX[publication.topic]:
        raise _RefusalError(
            f"message: {size} bytes; at most {BYTES_MAX[publication.topic]} are taken"
        )
    return publication


def _broken_rule(message: _Publishable) -> Rejection | None:
    if isinstance(message, events_pb2.InteractionEvent):
        return broken_event_rule(message) or order_to_forget(message)
    return broken_rule(message)


def _addressed(
    message: _Publishable,
) -> Publication:
    match message:
        case events_pb2.InteractionEvent():
            return Publication(topic=INTERACTIONS, key=message.user_id, message=message)
        case catalog_pb2.CatalogChange():
            return Publication(topic=CATALOG, key=catalog_key(message), message=message)
        case events_pb2.ProfileChange():
            return Publication(topic=PROFILES, key=message.user_id, message=message)


_SHARED_FIELDS = {"userId", "user_id", "occurredAt", "occurred_at"}


def _own_fields(message_type: type[Message]) -> frozenset[str]:
    """Names, in both spellings that JSON may use, that say which message it is."""
    fields = message_type.DESCRIPTOR.fields
    return frozenset(
        name for field in fields for name in (field.name, field.json_name)
    ) - frozenset(_SHARED_FIELDS)


_EVENT_FIELDS = _own_fields(events_pb2.InteractionEvent)
_CATALOG_FIELDS = _own_fields(catalog_pb2.CatalogChange)


def _empty_message(
    fields: Mapping[str, object],
) -> _Publishable:
    if not _EVENT_FIELDS.isdisjoint(fields):
        return events_pb2.InteractionEvent()
    if not _CATALOG_FIELDS.isdisjoint(fields):
        return catalog_pb2.CatalogChange()
    if not {"userId", "user_id"}.isdisjoint(fields):
        return events_pb2.ProfileChange()
    raise _RefusalError(
        "neither an InteractionEvent (eventId), nor a CatalogChange (upsertEntity, "
        "retireEntityId, upsertRow, retireRowId), nor a ProfileChange (userId)"
    )
