import pytest
from factories import START_MS
from factories_featurestore import Event, make_event, stop

from pagecast.featurestore.history import Action
from pagecast.featurestore.tokens import action_of, entity_of, occurred_at_ms, tokenise
from pagecast.v1 import events_pb2 as pb

ENTITY = {"entity_id": "e"}

CASES = [
    (make_event(click=pb.Click(**ENTITY)), Action.CLICK),
    (make_event(view_details=pb.ViewDetails(**ENTITY)), Action.VIEW_DETAILS),
    (make_event(play=pb.Play(kind=pb.PLAY_KIND_TRAILER, **ENTITY)), Action.PLAY_TRAILER),
    (make_event(play=pb.Play(kind=pb.PLAY_KIND_FEATURE, **ENTITY)), Action.PLAY_FEATURE),
    (make_event(play=pb.Play(kind=pb.PLAY_KIND_LIVE, **ENTITY)), Action.PLAY_LIVE),
    (stop("e", 1, START_MS), Action.PLAY_FEATURE),
    (stop("e", 1, START_MS, completed=True), Action.COMPLETE),
    (make_event(rate=pb.Rate(rating=3, **ENTITY)), Action.RATE),
    (make_event(add_to_list=pb.AddToList(**ENTITY)), Action.ADD_TO_LIST),
    (make_event(add_to_list=pb.AddToList(removed=True, **ENTITY)), Action.REMOVE_FROM_LIST),
    (make_event(hide=pb.Hide(**ENTITY)), Action.HIDE),
    (make_event(search=pb.Search(query="q", **ENTITY)), Action.SEARCH),
    (make_event(purchase=pb.Purchase(**ENTITY)), Action.PURCHASE),
]


@pytest.mark.parametrize(("event", "action"), CASES, ids=[action.name for _, action in CASES])
def test_each_action_is_a_step_of_its_entity(event: Event, action: Action) -> None:
    step = tokenise(event)
    assert step is not None
    assert (step.action, step.entity_id) == (action, "e")
    assert (action_of(event), entity_of(event)) == (action, "e")


def test_every_kind_of_event_is_covered() -> None:
    named = {event.WhichOneof("action") for event, _ in CASES}
    fields = pb.InteractionEvent.DESCRIPTOR.oneofs_by_name["action"].fields
    assert {field.name for field in fields} == named | {"impression"}


def test_an_impression_is_no_step_and_has_no_entity_of_its_own() -> None:
    seen = pb.Impression(rows=[pb.SeenRow(row_id="r", entity_ids=["e"])])
    event = make_event(impression=seen)
    assert tokenise(event) is None
    assert (action_of(event), entity_of(event)) == (Action.IMPRESSION, "")


def test_the_text_of_a_search_is_not_kept() -> None:
    step = tokenise(make_event(search=pb.Search(query="a secret")))
    assert step is not None
    assert "a secret" not in repr(step)


def test_an_event_without_an_action_is_no_step() -> None:
    assert tokenise(Event()) is None
    assert (action_of(Event()), entity_of(Event())) == (Action.NONE, "")


def test_time_is_in_whole_milliseconds() -> None:
    event = Event()
    event.occurred_at.FromNanoseconds(1_700_000_000_123_999_999)
    assert occurred_at_ms(event) == 1_700_000_000_123
