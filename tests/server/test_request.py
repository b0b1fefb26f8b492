"""Steps 1 and 3: a request in the words of prompt and rules."""

from pathlib import Path

import factories
import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history import Action, History, Profile, Step
from pagecast.featurestore.prompt import RequestHalf
from pagecast.featurestore.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.errors import Refusal
from pagecast.server.request import (
    BECAUSE_ARGUMENTS_MAX,
    PAGE_TIME_MAX_S,
    PageClock,
    because_arguments,
    facts_of,
    read_request,
)
from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2

NOW_MS = factories.START_MS
CLOCK = PageClock.start(None)
CONFIG = ServerConfig(state=StatePaths(root=Path("state")))
CLIENT_CLOCK = ServerConfig(state=StatePaths(root=Path("state")), allow_client_clock=True)


def request(**fields: object) -> homepage_pb2.StreamHomepageRequest:
    return homepage_pb2.StreamHomepageRequest(user_id="u", **fields)  # type: ignore[arg-type]


def step(entity_id: str, action: Action, rating: float | None = None) -> Step:
    return Step(occurred_at_ms=NOW_MS, action=action, entity_id=entity_id, rating=rating)


def catalog(*entity_ids: str) -> CatalogSnapshot:
    entities = tuple(
        CatalogEntity(
            entity_id=entity_id,
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=entity_id,
            number=1,
            changed_at_ms=NOW_MS,
            attributes={},
        )
        for entity_id in entity_ids
    )
    return CatalogSnapshot(number=1, entities=entities, rows=())


def test_what_is_not_said_is_the_server_s_default() -> None:
    page = read_request(request(), CONFIG, CLOCK, NOW_MS)
    assert (page.rows, page.entities_per_row, page.exact_entities) == (8, 10, 3)
    assert page.half == RequestHalf(at_ms=NOW_MS)
    assert not page.entity_by_entity


def test_what_is_said_counts() -> None:
    context = events_pb2.RequestContext(device="tv", country="DE", language="de", surface="home")
    page = read_request(
        request(
            context=context,
            rows=2,
            entities_per_row=5,
            exact_entities=4,
            seed=7,
            granularity=homepage_pb2.GRANULARITY_ENTITIES,
        ),
        CONFIG,
        CLOCK,
        NOW_MS,
    )
    assert (page.rows, page.entities_per_row, page.exact_entities, page.seed) == (2, 5, 4, 7)
    assert page.half == RequestHalf(
        at_ms=NOW_MS, device="tv", country="DE", language="de", surface="home"
    )
    assert page.entity_by_entity


@pytest.mark.parametrize(
    ("time_remaining_s", "limit_s"), [(None, PAGE_TIME_MAX_S), (1.5, 1.5), (1e6, PAGE_TIME_MAX_S)]
)
def test_a_page_has_a_deadline_whatever_the_client_says(
    time_remaining_s: float | None, limit_s: float
) -> None:
    clock = PageClock.start(time_remaining_s)
    assert clock.deadline_s - clock.arrived_s == pytest.approx(limit_s)
    assert not clock.is_over()
    assert PageClock.start(0.0).is_over()


def test_no_two_pages_have_one_id() -> None:
    assert len({read_request(request(), CONFIG, CLOCK, NOW_MS).page_id for _ in range(100)}) == 100


def test_a_client_s_clock_is_refused_by_name() -> None:
    with pytest.raises(Refusal) as refused:
        read_request(request(requested_at=factories.timestamp(NOW_MS)), CONFIG, CLOCK, NOW_MS)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.path for v in refused.value.violations] == ["requested_at"]


def test_a_client_s_clock_counts_where_it_is_allowed() -> None:
    earlier = request(requested_at=factories.timestamp(NOW_MS - 5))
    assert read_request(earlier, CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms == NOW_MS - 5
    assert read_request(request(), CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms == NOW_MS


@given(st.integers(0, 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_moment_is_taken_or_refused(seconds: int, nanos: int) -> None:
    message = request()
    message.requested_at.seconds, message.requested_at.nanos = seconds, nanos
    try:
        assert read_request(message, CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms >= 0
    except Refusal as refusal:
        assert [v.path for v in refusal.violations] == ["requested_at"]


def test_because_takes_what_was_played_or_rated_well_newest_first() -> None:
    history = History(
        user_id="u",
        steps=[
            step("played", Action.PLAY_FEATURE),
            step("rated-well", Action.RATE, 3.5),
            step("rated-badly", Action.RATE, 3.0),
            step("clicked", Action.CLICK),
            step("not-in-catalog", Action.PLAY_FEATURE),
            step("hidden", Action.PLAY_FEATURE),
        ],
        hidden={"hidden": None},
    )
    known = catalog("played", "rated-well", "rated-badly", "clicked", "hidden")
    assert because_arguments(history, known) == ("rated-well", "played")


def test_the_newest_judgement_of_an_entity_counts() -> None:
    steps = [step("a", Action.PLAY_FEATURE), step("a", Action.RATE, 1.0), step("a", Action.CLICK)]
    assert because_arguments(History(user_id="u", steps=steps), catalog("a")) == ()


def test_because_arguments_are_bounded() -> None:
    ids = [f"m{i}" for i in range(BECAUSE_ARGUMENTS_MAX + 5)]
    history = History(user_id="u", steps=[step(i, Action.PLAY_FEATURE) for i in ids])
    arguments = because_arguments(history, catalog(*ids))
    assert list(arguments) == ids[:4:-1]


def test_facts_hold_what_the_history_rules_out() -> None:
    history = History(
        user_id="u",
        steps=[step("seen", Action.PLAY_FEATURE)],
        hidden={"hid": None},
        completed={"done": None},
        resume_ms={"older": 1, "newer": 2},
    )
    page = read_request(
        request(context=events_pb2.RequestContext(device="tv", country="DE")), CONFIG, CLOCK, NOW_MS
    )
    facts = facts_of(page, history, Profile(maturity_limit=12), catalog("seen"))
    assert (facts.at_ms, facts.device, facts.country) == (NOW_MS, "tv", "DE")
    assert facts.maturity_limit == 12
    assert facts.hidden == {"hid"}
    assert facts.watched == {"seen", "done"}
    assert facts.resume == ("newer", "older")
    assert facts.because == ("seen",)


def test_a_stranger_has_neither_seen_nor_hidden_anything() -> None:
    facts = facts_of(read_request(request(), CONFIG, CLOCK, NOW_MS), None, Profile(), catalog("a"))
    assert not (facts.hidden or facts.watched or facts.resume or facts.because)
    assert (facts.rows, facts.entities_per_row) == (8, 10)
