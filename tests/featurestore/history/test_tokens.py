import pytest
from factories import START_MS
from factories_featurestore import Event, make_event, stop

from pagecast.featurestore.history.history import Action
from pagecast.featurestore.history.tokens import (
    COMPLETED,
    FORGET,
    NO_PLACE,
    RESUMABLE,
    STOP,
    step_of,
    token_of,
)
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
    token = token_of(event)
    assert (token.action, token.entity_id) == (action, "e")
    assert (token.user_id, token.event_id, token.at_ms) == ("ada", event.event_id, START_MS)
    assert token.context == ("tv", "NL", "nl", "home", "s1")
    step = step_of(token)
    assert (step.action, step.entity_id, step.device) == (action, "e", "tv")


def test_every_kind_of_event_is_covered() -> None:
    named = {event.WhichOneof("action") for event, _ in CASES}
    fields = pb.InteractionEvent.DESCRIPTOR.oneofs_by_name["action"].fields
    assert {field.name for field in fields} == named | {"impression", "user_forgotten"}


def test_an_impression_is_no_step_and_has_no_entity_of_its_own() -> None:
    seen = pb.Impression(rows=[pb.SeenRow(row_id="r", entity_ids=["e"])])
    event = make_event(impression=seen)
    token = token_of(event)
    assert (token.action, token.entity_id) == (Action.IMPRESSION, "")


PLACEMENT = pb.Placement(row_id="top", row_position=2, entity_position=3)


@pytest.mark.parametrize(
    "event",
    [
        make_event(click=pb.Click(placement=PLACEMENT, **ENTITY)),
        make_event(play=pb.Play(placement=PLACEMENT, kind=pb.PLAY_KIND_LIVE, **ENTITY)),
        make_event(rate=pb.Rate(placement=PLACEMENT, **ENTITY)),
        make_event(add_to_list=pb.AddToList(placement=PLACEMENT, **ENTITY)),
    ],
)
def test_a_place_is_kept(event: Event) -> None:
    token = token_of(event)
    assert (token.row_id, token.row_position, token.entity_position) == ("top", 2, 3)


def test_without_a_place_there_is_no_position() -> None:
    token = token_of(make_event(click=pb.Click(**ENTITY)))
    assert (token.row_id, token.row_position, token.entity_position) == ("", NO_PLACE, NO_PLACE)


@pytest.mark.parametrize(("rating", "kept"), [(0.0, 0.0), (3.7, 3.5), (5.0, 5.0)])
def test_ratings_are_kept_in_halves_and_zero_is_one(rating: float, kept: float) -> None:
    token = token_of(make_event(rate=pb.Rate(rating=rating, **ENTITY)))
    assert token.rating == kept * 2 + 1
    assert step_of(token).rating == kept


def test_a_stop_says_how_long_and_where_to_resume() -> None:
    token = token_of(stop("e", 5_000, START_MS, resume_ms=7_000))
    assert (token.marks, token.watched_ms, token.resume_ms) == (STOP | RESUMABLE, 5_000, 7_000)
    assert token_of(stop("e", 0, START_MS, completed=True)).marks == STOP | COMPLETED


def test_an_order_to_forget_is_marked_and_no_action() -> None:
    token = token_of(make_event(user_forgotten=pb.UserForgotten()))
    assert (token.action, token.marks) == (Action.NONE, FORGET)


def test_the_page_of_an_event_is_kept() -> None:
    event = make_event(click=pb.Click(**ENTITY))
    event.context.page_id = "page-1"
    assert token_of(event).page_id == "page-1"


def test_the_text_of_a_search_is_not_kept() -> None:
    token = token_of(make_event(search=pb.Search(query="a secret")))
    assert "a secret" not in repr(token)


def test_an_event_without_an_action_is_none() -> None:
    assert (token_of(Event()).action, token_of(Event()).entity_id) == (Action.NONE, "")


def test_time_is_in_whole_milliseconds() -> None:
    event = Event()
    event.occurred_at.FromNanoseconds(1_700_000_000_123_999_999)
    assert token_of(event).at_ms == 1_700_000_000_123
