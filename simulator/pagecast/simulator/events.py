"""Events as a client would report them; the same act has the same id."""

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.eventlog.stable_id import event_id
from pagecast.v1 import events_pb2

SURFACE = "home"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What all events of a session share."""

    user_id: str
    session_id: str
    device: str
    page_id: str = ""
    """Of the page that is looked at."""

    def context(self) -> events_pb2.RequestContext:
        return events_pb2.RequestContext(
            session_id=self.session_id, page_id=self.page_id, device=self.device, surface=SURFACE
        )


Act = (
    events_pb2.Impression
    | events_pb2.Click
    | events_pb2.ViewDetails
    | events_pb2.Play
    | events_pb2.Stop
    | events_pb2.Rate
    | events_pb2.AddToList
    | events_pb2.Hide
)
"""What a client reports."""


def event_of(visit: Visit, at_ms: int, act: Act) -> events_pb2.InteractionEvent:
    """An act of a visit at a moment; nobody does the same twice in the same millisecond."""
    name = _FIELDS[type(act)]
    written = act.SerializeToString(deterministic=True).hex()
    event = events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"{visit.user_id}/{visit.session_id}/{name}/{written}"),
        user_id=visit.user_id,
        occurred_at=timestamp(at_ms),
        context=visit.context(),
    )
    getattr(event, name).CopyFrom(act)
    return event


def timestamp(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment


_FIELDS = {
    events_pb2.Impression: "impression",
    events_pb2.Click: "click",
    events_pb2.ViewDetails: "view_details",
    events_pb2.Play: "play",
    events_pb2.Stop: "stop",
    events_pb2.Rate: "rate",
    events_pb2.AddToList: "add_to_list",
    events_pb2.Hide: "hide",
}
"""The oneof's field by the kind of act."""
