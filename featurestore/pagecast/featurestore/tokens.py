"""One event becomes one step: the tokeniser, without any memory of other events."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.featurestore.history import Action, Step
from pagecast.v1 import events_pb2

_PLAYS = {
    events_pb2.PLAY_KIND_TRAILER: Action.PLAY_TRAILER,
    events_pb2.PLAY_KIND_FEATURE: Action.PLAY_FEATURE,
    events_pb2.PLAY_KIND_LIVE: Action.PLAY_LIVE,
}

_NAMED = {
    "click": Action.CLICK,
    "view_details": Action.VIEW_DETAILS,
    "hide": Action.HIDE,
    "purchase": Action.PURCHASE,
    "rate": Action.RATE,
    "search": Action.SEARCH,
}
"""Actions that follow from the name of the oneof's field alone."""

_WITHOUT_PLACEMENT = frozenset({"stop", "search"})


def milliseconds(span: Duration | Timestamp) -> int:
    """Whole milliseconds; `ToMilliseconds` does the same in three times the time."""
    return span.seconds * 1000 + span.nanos // 1_000_000


def occurred_at_ms(event: events_pb2.InteractionEvent) -> int:
    """Milliseconds since 1970 of the client's clock."""
    return milliseconds(event.occurred_at)


def action_of(event: events_pb2.InteractionEvent) -> Action:
    """The action of an event; NONE if it has none.

    A `Stop` is a play of the entity itself unless it was completed: what kind of play it ended
    is known to the step it merges into, if there is one.
    """
    name = event.WhichOneof("action")
    if name == "play":
        return _PLAYS.get(event.play.kind, Action.PLAY_FEATURE)
    if name == "stop":
        return Action.COMPLETE if event.stop.completed else Action.PLAY_FEATURE
    if name == "add_to_list":
        return Action.REMOVE_FROM_LIST if event.add_to_list.removed else Action.ADD_TO_LIST
    if name == "impression":
        return Action.IMPRESSION
    return _NAMED.get(name, Action.NONE) if name is not None else Action.NONE


def entity_of(event: events_pb2.InteractionEvent) -> str:
    """The entity acted upon; empty for impressions and for searches without a chosen result."""
    name = event.WhichOneof("action")
    if name is None or name == "impression":
        return ""
    entity_id: str = getattr(event, name).entity_id
    return entity_id


def tokenise(event: events_pb2.InteractionEvent) -> Step | None:
    """The step an event makes when it stands alone; None for an impression, which makes none.

    Ratings are rounded to halves: that is what the model tells apart and the store keeps.
    """
    name = event.WhichOneof("action")
    if name is None or name == "impression":
        return None
    message = getattr(event, name)
    context = event.context
    return Step(
        occurred_at_ms=occurred_at_ms(event),
        action=action_of(event),
        entity_id=message.entity_id,
        row_id="" if name in _WITHOUT_PLACEMENT else message.placement.row_id,
        watched_ms=milliseconds(message.watched) if name == "stop" else 0,
        rating=round(message.rating * 2) / 2 if name == "rate" else None,
        device=context.device,
        country=context.country,
        language=context.language,
        surface=context.surface,
        session_id=context.session_id,
    )
