"""What counts for popularity."""

from factories import START_MS, event_id, play, rate, timestamp

from pagecast.featurestore.catalog.popularity import Counted
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent
from pagecast.streaming.counting import counted
from pagecast.v1 import events_pb2


def event(name: str, **fields: object) -> events_pb2.InteractionEvent:
    made = events_pb2.InteractionEvent(
        event_id=event_id(START_MS, name), user_id="ann", occurred_at=timestamp(START_MS)
    )
    for field, value in {"entity_id": name, **fields}.items():
        setattr(getattr(made, name), field, value)
    return made


def test_plays_ratings_and_purchases_count_and_the_rest_does_not() -> None:
    events = [event("purchase"), event("click"), event("hide"), event("stop", completed=True)]
    events += [play("ann", "played"), rate("ann", "rated", 1.0, START_MS + 5)]
    rows = [LoggedEvent("log", 2, 7 + n, token_of(e), b"") for n, e in enumerate(events)]
    assert counted(rows) == [
        Counted(("log", 2), 7, "purchase", START_MS),
        Counted(("log", 2), 11, "played", START_MS),
        Counted(("log", 2), 12, "rated", START_MS + 5),
    ]
