"""One event becomes one token: all that histories, counts and the offline log need of it.

The tokeniser remembers no other event. A token is a tuple because a worker makes one of every
event, and a frozen dataclass would cost as much as the rest of this file.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.featurestore.history.steps import ACTIONS, WATCHED_MS_MAX, Action, Context, Step
from pagecast.v1 import events_pb2

__all__ = ["Context", "Token", "step_of", "token_of"]

STOP: Final = 1
"""Mark of a token: a play was paused or ended."""

COMPLETED: Final = 2
"""Mark: the entity was watched to its end."""

RESUMABLE: Final = 4
"""Mark: `resume_ms` says where to resume from."""

FORGET: Final = 8
"""Mark: everything known of the user is to be erased."""

CONTEXTS_HELD_MAX: Final = 16_384
"""Contexts held by their bytes: a page's events share one, and looking it up takes half the time of
reading its fields. When the table is full, at 10 MB, it begins anew."""

_contexts: dict[bytes, tuple[Context, str]] = {}
"""Context and page id by the bytes of the message."""

NO_PLACE: Final = -1
"""Position of what did not happen on a row."""


class Token(NamedTuple):
    """An event as everything after the tokeniser sees it."""

    user_id: str
    event_id: str
    at_ms: int
    """Milliseconds since 1970, by the client's clock."""
    action: int
    """`Action`; an IMPRESSION and NONE make no step."""
    entity_id: str = ""
    row_id: str = ""
    watched_ms: int = 0
    rating: int = 0
    """Rating times 2 plus 1, so that halves are exact; 0 if it is no rating."""
    context: Context = Context()
    marks: int = 0
    """STOP, COMPLETED, RESUMABLE, FORGET."""
    resume_ms: int = 0
    page_id: str = ""
    row_position: int = NO_PLACE
    entity_position: int = NO_PLACE


def milliseconds(span: Duration | Timestamp) -> int:
    """Whole milliseconds; `ToMilliseconds` does the same in three times the time."""
    return span.seconds * 1000 + span.nanos // 1_000_000


def token_of(event: events_pb2.InteractionEvent) -> Token:
    """Tokenises a valid event.

    A `Stop` is a play of the entity itself unless it was completed: only the step it merges into,
    if any, knows what kind of play it ended. Ratings are rounded to halves: the model
    distinguishes, and the store keeps, no more.
    """
    name = event.WhichOneof("action") or ""
    written = event.context.SerializeToString()
    half, page_id = _contexts.get(written) or _read_context(written, event.context)
    at = event.occurred_at
    at_ms = at.seconds * 1000 + at.nanos // 1_000_000
    head = (event.user_id, event.event_id, at_ms)
    tail = _TOKENISERS[name](getattr(event, name, None), half, page_id)
    return Token._make(head + tail)


def _read_context(written: bytes, context: events_pb2.RequestContext) -> tuple[Context, str]:
    half = Context(
        context.device, context.country, context.language, context.surface, context.session_id
    )
    if len(_contexts) >= CONTEXTS_HELD_MAX:
        _contexts.clear()
    _contexts[written] = half, context.page_id
    return half, context.page_id


def step_of(token: Token) -> Step:
    """The step a token makes when it stands alone."""
    context = token.context
    return Step(
        occurred_at_ms=token.at_ms,
        action=ACTIONS[token.action],
        entity_id=token.entity_id,
        row_id=token.row_id,
        watched_ms=min(token.watched_ms, WATCHED_MS_MAX),
        rating=(token.rating - 1) / 2 if token.rating else None,
        device=context.device,
        country=context.country,
        language=context.language,
        surface=context.surface,
        session_id=context.session_id,
    )


_Tail = tuple[int, str, str, int, int, Context, int, int, str, int, int]
"""The fields of a token after `at_ms`."""

_Tokeniser = Callable[[Any, Context, str], _Tail]

_NONE = int(Action.NONE)

_PLAYS: dict[int, int] = {
    events_pb2.PLAY_KIND_TRAILER: int(Action.PLAY_TRAILER),
    events_pb2.PLAY_KIND_FEATURE: int(Action.PLAY_FEATURE),
    events_pb2.PLAY_KIND_LIVE: int(Action.PLAY_LIVE),
}


def _placed(action: int, rating: int, message: Any, half: Context, page: str) -> _Tail:
    """An action on an entity at a place; `message` has both."""
    entity_id = message.entity_id
    if not message.HasField("placement"):
        return (action, entity_id, "", 0, rating, half, 0, 0, page, NO_PLACE, NO_PLACE)
    place = message.placement
    at = (place.row_position, place.entity_position)
    return (action, entity_id, place.row_id, 0, rating, half, 0, 0, page, *at)


def _always(action: Action) -> _Tokeniser:
    return partial(_placed, int(action), 0)


def _play(message: Any, half: Context, page: str) -> _Tail:
    return _placed(_PLAYS.get(message.kind, int(Action.PLAY_FEATURE)), 0, message, half, page)


def _add_to_list(message: Any, half: Context, page: str) -> _Tail:
    action = Action.REMOVE_FROM_LIST if message.removed else Action.ADD_TO_LIST
    return _placed(int(action), 0, message, half, page)


def _rate(message: Any, half: Context, page: str) -> _Tail:
    return _placed(int(Action.RATE), round(message.rating * 2) + 1, message, half, page)


def _stop(message: Any, half: Context, page: str) -> _Tail:
    action, marks, resume_ms = int(Action.PLAY_FEATURE), STOP, 0
    if message.completed:
        action, marks = int(Action.COMPLETE), STOP | COMPLETED
    if message.HasField("resume_position"):
        marks |= RESUMABLE
        resume_ms = milliseconds(message.resume_position)
    watched_ms = milliseconds(message.watched)
    return _tail(action, half, page, message.entity_id, watched_ms, marks, resume_ms)


def _search(message: Any, half: Context, page: str) -> _Tail:
    return _tail(int(Action.SEARCH), half, page, message.entity_id)


def _impression(_message: Any, half: Context, page: str) -> _Tail:
    return _tail(int(Action.IMPRESSION), half, page)


def _forget(_message: Any, half: Context, page: str) -> _Tail:
    return _tail(_NONE, half, page, marks=FORGET)


def _nothing(_message: Any, half: Context, page: str) -> _Tail:
    return _tail(_NONE, half, page)


def _tail(
    action: int,
    half: Context,
    page: str,
    entity_id: str = "",
    watched_ms: int = 0,
    marks: int = 0,
    resume_ms: int = 0,
) -> _Tail:
    """Of what happened on no row and is no rating."""
    return (
        action, entity_id, "", watched_ms, 0, half, marks, resume_ms, page, NO_PLACE, NO_PLACE
    )  # fmt: skip


_TOKENISERS: dict[str, _Tokeniser] = {
    "click": _always(Action.CLICK),
    "view_details": _always(Action.VIEW_DETAILS),
    "hide": _always(Action.HIDE),
    "purchase": _always(Action.PURCHASE),
    "play": _play,
    "stop": _stop,
    "rate": _rate,
    "add_to_list": _add_to_list,
    "search": _search,
    "impression": _impression,
    "user_forgotten": _forget,
    "": _nothing,
}
"""By the name of the oneof's field."""
