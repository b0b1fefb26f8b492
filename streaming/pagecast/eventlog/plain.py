"""Which events plainly keep the rules of their proto.

protovalidate decides what is an event, and takes 10 to 50 µs: more than the whole ingest of an
event may take. So what everybody sends is recognised here in about 2 µs. This never accepts what
protovalidate would refuse (a property test holds it to that), and accepts less: ids of more than 64
characters, or with unprintable ones, are left to protovalidate.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pagecast.v1 import events_pb2

TEXT_CHARS_MAX = 64
"""Characters of a plain id: at four bytes each, the 256 bytes an id may have."""

QUERY_CHARS_MAX = 256
"""The same for what was typed into a search, of 1024 bytes."""

CONTEXTS_HELD_MAX = 16_384
"""Contexts known to keep the rules, by their bytes: those of recent sessions, in at most 10 MB.
When the set is full it begins anew; a client gains nothing by making contexts up."""

CONTEXT_BYTES_MAX = 512
"""A larger context has fields that a newer producer adds, and is not held."""

POSITIONS = 1000
"""Rows of a page and entities of a row are counted below it."""

NANOS = 1_000_000_000
"""Nanoseconds of a second; a duration or timestamp has fewer."""

WATCHED_S = 172_800
"""Seconds watched below the rule's 48 hours."""

RESUME_S = 1_000_000_000
"""Thirty years: protobuf's own bound of a duration is higher."""

_EVENT_ID = re.compile(
    "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
).fullmatch
_TOKEN = re.compile("[a-z0-9-]{0,32}").fullmatch
_COUNTRY = re.compile("([A-Z]{2})?").fullmatch

LANGUAGE_CHARS_MAX = 8
"""Characters of a plain language, such as `pt-BR`; the rule is 35 bytes."""

_contexts: set[bytes] = set()


def plainly_valid(event: events_pb2.InteractionEvent, until_s: float) -> bool:
    """Whether an event keeps every rule and happened before `until_s`, seconds since 1970.

    False means: ask protovalidate. Checks are written out, because a call costs as much as three
    of them.
    """
    at = event.occurred_at
    user_id = event.user_id
    if not (
        _EVENT_ID(event.event_id)
        and user_id
        and len(user_id) <= TEXT_CHARS_MAX
        and user_id.isprintable()
        # At 0 s it may be unset.
        and 0 < at.seconds < until_s
        and 0 <= at.nanos < NANOS
    ):
        return False
    context = event.context
    # Reading and checking six fields takes three times as long as one look-up.
    if context.SerializeToString() not in _contexts and not _learn(context):
        return False
    name = event.WhichOneof("action")
    return name is not None and _CHECKS[name](getattr(event, name))


def _learn(context: events_pb2.RequestContext) -> bool:
    """Whether a context keeps the rules; holds it if it does."""
    if not (
        len(context.session_id) <= TEXT_CHARS_MAX
        and context.session_id.isprintable()
        and len(context.page_id) <= TEXT_CHARS_MAX
        and context.page_id.isprintable()
        and _TOKEN(context.device)
        and _COUNTRY(context.country)
        and len(context.language) <= LANGUAGE_CHARS_MAX
        and context.language.isprintable()
        and _TOKEN(context.surface)
    ):
        return False
    if context.ByteSize() <= CONTEXT_BYTES_MAX:
        if len(_contexts) >= CONTEXTS_HELD_MAX:
            _contexts.clear()
        _contexts.add(context.SerializeToString())
    return True


def _placed(message: Any) -> bool:
    """For a message that names an entity, and perhaps where it was."""
    entity_id = message.entity_id
    if not (entity_id and len(entity_id) <= TEXT_CHARS_MAX and entity_id.isprintable()):
        return False
    # Unset is empty, which keeps the rules; asking costs more than looking.
    place = message.placement
    row_id = place.row_id
    return (
        len(row_id) <= TEXT_CHARS_MAX
        and row_id.isprintable()
        and place.row_position < POSITIONS
        and place.entity_position < POSITIONS
    )


def _play(play: events_pb2.Play) -> bool:
    return 1 <= play.kind <= 3 and _placed(play)


def _rate(rate: events_pb2.Rate) -> bool:
    return 0 <= rate.rating <= 5 and _placed(rate)


def _stop(stop: events_pb2.Stop) -> bool:
    entity_id, watched, resume = stop.entity_id, stop.watched, stop.resume_position
    return (
        0 < len(entity_id) <= TEXT_CHARS_MAX
        and entity_id.isprintable()
        and 0 <= watched.seconds < WATCHED_S
        and 0 <= watched.nanos < NANOS
        and 0 <= resume.seconds < RESUME_S
        and 0 <= resume.nanos < NANOS
    )


def _search(search: events_pb2.Search) -> bool:
    entity_id = search.entity_id
    return (
        0 < len(search.query) <= QUERY_CHARS_MAX
        and len(entity_id) <= TEXT_CHARS_MAX
        and entity_id.isprintable()
    )


def _impression(impression: events_pb2.Impression) -> bool:
    rows = impression.rows
    return 1 <= len(rows) <= 40 and all(map(_seen, rows))


def _seen(row: events_pb2.SeenRow) -> bool:
    ids = [row.row_id, *row.entity_ids]
    return (
        2 <= len(ids) <= 101
        and row.row_position < POSITIONS
        and all(ids)
        and max(map(len, ids)) <= TEXT_CHARS_MAX
        and "".join(ids).isprintable()
    )


def _forgotten(_: events_pb2.UserForgotten) -> bool:
    return True


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "impression": _impression,
    "click": _placed,
    "view_details": _placed,
    "play": _play,
    "stop": _stop,
    "rate": _rate,
    "add_to_list": _placed,
    "hide": _placed,
    "search": _search,
    "purchase": _placed,
    "user_forgotten": _forgotten,
}
"""By the name of the action, as the oneof has it."""
