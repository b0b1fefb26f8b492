"""A session: the same pages give the same events."""

import dataclasses
from collections.abc import Sequence

from factories import START_MS
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.factories_simulator import FixedPlatform, world

from pagecast.eventlog.validation import broken_event_rule
from pagecast.featurestore.pages.logged_pages import WINDOW_MS
from pagecast.simulator.chance import Chance
from pagecast.simulator.config import AppetiteConfig, SimulatorConfig, WatchingConfig
from pagecast.simulator.member import Member, new_member
from pagecast.simulator.session import PAGES_MAX, SessionRecord, play_session
from pagecast.simulator.world import World

WORLD = world()
HUNGRY = world(
    SimulatorConfig(
        appetite=AppetiteConfig(nothing=-50.0),
        watching=WatchingConfig(play=1.0, stop_after=0.0, stop_after_resumed=0.0),
    )
)
SATED = world(SimulatorConfig(appetite=AppetiteConfig(nothing=100.0)))

FEW = settings(max_examples=25)
"""Each example is a session of several pages."""


def session(
    seed: int, of: World = WORLD, rows: Sequence[Sequence[str]] = ()
) -> tuple[Member, SessionRecord]:
    platform = FixedPlatform(rows)
    member = new_member(of, Chance(1), 0, "sim-1-0")
    record = play_session(
        of,
        member,
        "s",
        START_MS,
        Chance(seed),
        platform.page,
        lambda events: platform.publish(member.user_id, events),
    )
    assert platform.published[member.user_id] == record.events
    return member, record


@FEW
@given(st.integers())
def test_the_same_pages_make_the_same_events_byte_for_byte(seed: int) -> None:
    _, one = session(seed)
    _, other = session(seed)
    assert [e.SerializeToString(deterministic=True) for e in one.events] == [
        e.SerializeToString(deterministic=True) for e in other.events
    ]


@FEW
@given(st.integers(), st.sampled_from((WORLD, HUNGRY)))
def test_events_are_what_a_real_client_may_send(seed: int, of: World) -> None:
    _, record = session(seed, of)
    assert 1 <= len(record.pages) <= PAGES_MAX
    moments = [event.occurred_at.ToMilliseconds() for event in record.events]
    assert moments == sorted(moments)
    assert len({event.event_id for event in record.events}) == len(record.events)
    for event in record.events:
        assert broken_event_rule(event) is None
        assert event.context.page_id in {page.page_id for page in record.pages}


@FEW
@given(st.integers())
def test_what_happens_on_a_page_happens_within_its_window_but_for_how_a_play_ends(
    seed: int,
) -> None:
    _, record = session(seed, HUNGRY)
    asked_ms = {page.page_id: page.requested_at_ms for page in record.pages}
    for event in record.events:
        if event.WhichOneof("action") not in ("stop", "rate"):
            waited_ms = event.occurred_at.ToMilliseconds() - asked_ms[event.context.page_id]
            assert 0 <= waited_ms <= WINDOW_MS


@FEW
@given(st.integers())
def test_nothing_is_acted_upon_that_was_not_on_the_screen(seed: int) -> None:
    _, record = session(seed, HUNGRY)
    seen: set[tuple[str, str]] = set()
    for event in record.events:
        page, name = event.context.page_id, event.WhichOneof("action") or ""
        if name == "impression":
            seen |= {(page, e) for row in event.impression.rows for e in row.entity_ids}
        else:
            assert (page, getattr(event, name).entity_id) in seen


def test_who_wants_nothing_scrolls_and_leaves() -> None:
    member, record = session(1, SATED)
    assert {event.WhichOneof("action") for event in record.events} <= {"impression", "hide"}
    assert len(record.pages) == 1
    assert member.satisfaction < 0.0


def test_a_member_remembers_what_was_watched() -> None:
    member, record = session(3, HUNGRY)
    assert record.played
    assert set(record.played) == member.completed | set(member.unfinished)
    assert member.free_at_ms == record.ended_ms > START_MS


def test_a_page_without_rows_is_left() -> None:
    _, record = session(1, HUNGRY, rows=[[]])
    assert record.events == []
    assert record.ended_ms == START_MS


def test_finishing_something_ends_sessions_oftener_than_beginning_it() -> None:
    stopping = dataclasses.replace(
        HUNGRY.config, watching=WatchingConfig(play=1.0, stop_after=0.0, stop_after_resumed=1.0)
    )
    of = world(stopping)
    _, record = session(3, of, rows=[["m0", "m3"]])
    assert len(record.pages) == 1 or len(record.played) > len(set(record.played))
