"""Logged pages: what was served, joined with what became of what was seen."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from factories import START_MS
from featurestore.factories_offline import TOPIC, on_page, page, row_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.offline import LoggedPage, OfflineLog
from pagecast.featurestore.pages.logged_pages import (
    WINDOW_MS,
    EntityOutcome,
    LoggedPageOutcome,
    logged_pages,
)
from pagecast.v1 import events_pb2

Event = events_pb2.InteractionEvent
SECOND_MS = 1000


def seen(*entities: str, at_ms: int = START_MS, **about: str) -> Event:
    row = events_pb2.SeenRow(row_id="r0", entity_ids=entities)
    return on_page(at_ms, impression=events_pb2.Impression(rows=[row]), **about)


def click(entity_id: str, at_ms: int = START_MS + SECOND_MS, **about: str) -> Event:
    return on_page(at_ms, click=events_pb2.Click(entity_id=entity_id), **about)


def play(entity_id: str, at_ms: int = START_MS + SECOND_MS, kind: int = 2) -> Event:
    return on_page(at_ms, play=events_pb2.Play(entity_id=entity_id, kind=kind))


def stop(entity_id: str, seconds: int, at_ms: int, *, completed: bool = False) -> Event:
    ended = events_pb2.Stop(entity_id=entity_id, completed=completed)
    ended.watched.FromSeconds(seconds)
    return on_page(at_ms, stop=ended)


def outcomes(
    tmp_path: Path, *events: Event, pages: Sequence[LoggedPage] = (), window_ms: int = WINDOW_MS
) -> dict[str, EntityOutcome]:
    """By entity, on a page of two rows unless `pages` are others."""
    log = OfflineLog(tmp_path)
    log.append_pages(pages or [page(0, ["e1", "e2"], ["e3", "e4"])])
    log.append([row_of(event, offset) for offset, event in enumerate(events)])
    logged = list(logged_pages(log, window_ms=window_ms))
    return {entity.entity_id: entity for one in logged for entity in one.entities}


def test_a_page_that_nobody_looked_at_has_no_entities(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    served = page(0, ["e1", "e2"])
    log.append_pages([served])
    assert list(logged_pages(log)) == [
        LoggedPageOutcome("p1", "ada", START_MS, "m1", "a1", served.value, ())
    ]


def test_without_pages_there_are_none(tmp_path: Path) -> None:
    assert outcomes(tmp_path, seen("e1"), pages=[page(0)]) == {}
    assert list(logged_pages(OfflineLog(tmp_path / "other"))) == []


def test_what_was_seen_and_left_is_abandoned_and_what_was_not_seen_is_not_there(
    tmp_path: Path,
) -> None:
    found = outcomes(tmp_path, seen("e1", "e3"), click("e3"))
    assert found.keys() == {"e1", "e3"}
    assert (found["e1"].seen, found["e1"].abandoned) == (True, True)
    assert (found["e3"].clicked, found["e3"].abandoned) == (True, False)


def test_an_entity_is_where_the_page_placed_it(tmp_path: Path) -> None:
    found = outcomes(tmp_path, seen("e4"))["e4"]
    assert (found.row_id, found.row_position, found.entity_position) == ("r1", 1, 1)


def test_what_was_acted_upon_is_there_without_an_impression(tmp_path: Path) -> None:
    found = outcomes(tmp_path, click("e2"))["e2"]
    assert (found.seen, found.clicked, found.abandoned) == (False, True, False)


def test_every_action_leaves_its_mark(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        seen("e1", "e2"),
        on_page(view_details=events_pb2.ViewDetails(entity_id="e1")),
        on_page(rate=events_pb2.Rate(entity_id="e1", rating=2.5)),
        on_page(purchase=events_pb2.Purchase(entity_id="e1")),
        on_page(add_to_list=events_pb2.AddToList(entity_id="e1")),
        on_page(hide=events_pb2.Hide(entity_id="e2")),
    )
    assert found["e1"] == EntityOutcome(
        entity_id="e1",
        row_id="r0",
        row_position=0,
        entity_position=0,
        seen=True,
        clicked=True,
        trailer_played=False,
        played=False,
        watched_ms=0,
        completed=False,
        rating=2.5,
        listed=True,
        hidden=False,
        purchased=True,
        abandoned=False,
    )
    assert (found["e2"].hidden, found["e2"].abandoned) == (True, True)


def test_the_last_rating_and_the_last_state_of_the_list_count(tmp_path: Path) -> None:
    late, early = START_MS + 2 * SECOND_MS, START_MS + SECOND_MS
    found = outcomes(
        tmp_path,
        on_page(late, rate=events_pb2.Rate(entity_id="e1", rating=1)),
        on_page(early, rate=events_pb2.Rate(entity_id="e1", rating=5)),
        on_page(late, add_to_list=events_pb2.AddToList(entity_id="e1", removed=True)),
        on_page(early, add_to_list=events_pb2.AddToList(entity_id="e1")),
    )["e1"]
    assert (found.rating, found.listed, found.abandoned) == (1.0, False, False)


def test_the_window_has_both_its_ends_and_nothing_outside(tmp_path: Path) -> None:
    end = START_MS + WINDOW_MS
    found = outcomes(
        tmp_path,
        click("e1", START_MS),
        click("e2", end),
        click("e3", START_MS - 1),
        click("e4", end + 1),
    )
    assert found.keys() == {"e1", "e2"}


def test_the_window_is_a_parameter(tmp_path: Path) -> None:
    assert outcomes(tmp_path, click("e1"), window_ms=SECOND_MS - 1) == {}
    with pytest.raises(ValueError, match="window_ms"):
        list(logged_pages(OfflineLog(tmp_path), window_ms=-1))


def test_a_stop_counts_with_its_play_however_late_it_comes(tmp_path: Path) -> None:
    hours = 2 * 3600
    at_ms = START_MS + SECOND_MS
    found = outcomes(
        tmp_path, play("e1", at_ms), stop("e1", hours, at_ms + hours * 1000, completed=True)
    )["e1"]
    assert (found.played, found.watched_ms, found.completed) == (True, hours * 1000, True)


def test_a_stop_belongs_to_the_newest_play_before_it(tmp_path: Path) -> None:
    """What was resumed after the window is not the page's doing."""
    end = START_MS + WINDOW_MS
    found = outcomes(
        tmp_path,
        play("e1", START_MS + SECOND_MS),
        stop("e1", 60, START_MS + 61 * SECOND_MS),
        play("e1", end + SECOND_MS),
        stop("e1", 600, end + 601 * SECOND_MS),
    )["e1"]
    assert found.watched_ms == 60_000


def test_a_stop_without_a_play_counts_inside_the_window(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        stop("e1", 10, START_MS + 10 * SECOND_MS),
        stop("e2", 10, START_MS + WINDOW_MS + SECOND_MS),
    )
    assert found.keys() == {"e1"}
    assert (found["e1"].played, found["e1"].watched_ms) == (True, 10_000)


def test_a_trailer_is_no_watched_time(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path, seen("e1"), play("e1", kind=1), stop("e1", 90, START_MS + 91 * SECOND_MS)
    )["e1"]
    assert (found.trailer_played, found.played, found.watched_ms) == (True, False, 0)
    assert not found.abandoned


def test_other_pages_other_users_and_other_entities_do_not_count(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        click("e1", page_id="p2"),
        click("e2", user_id="ben"),
        click("e9"),
        click("e3", page_id=""),
    )
    assert found == {}


def test_an_event_that_was_sent_twice_counts_once(tmp_path: Path) -> None:
    ended = stop("e1", 10, START_MS + 11 * SECOND_MS)
    found = outcomes(tmp_path, play("e1"), ended, play("e1"), ended)["e1"]
    assert found.watched_ms == 10_000


def test_records_of_one_page_share_its_entities(tmp_path: Path) -> None:
    """A page that was carried on has a record for each part; each entity is where it was first."""
    first, second = page(0, ["e1"]), page(1, ["e2", "e1"], at_ms=START_MS + SECOND_MS)
    log = OfflineLog(tmp_path)
    log.append_pages([first, second, first._replace(offset=2)])
    log.append([row_of(seen("e1", "e2", at_ms=START_MS + SECOND_MS))])
    entities = [[e.entity_id for e in one.entities] for one in logged_pages(log)]
    assert entities == [["e1"], ["e2"]]


def test_pages_and_events_are_as_of_positions(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append_pages([page(0, ["e1"], page_id="p0"), page(1, ["e1"], page_id="p1")])
    log.append([row_of(seen("e1", page_id="p0"), 0), row_of(click("e1", page_id="p0"), 1)])
    (one,) = logged_pages(log, until={("pages/1", 0): 1, (TOPIC, 0): 1})
    assert (one.page_id, one.entities[0].abandoned) == ("p0", True)
    assert [one.page_id for one in logged_pages(log, after={("pages/1", 0): 1})] == ["p1"]


def test_pages_are_joined_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = OfflineLog(tmp_path)
    log.append_pages(
        [page(n, ["e1", "e2"], page_id=f"p{n // 2}", at_ms=START_MS + n) for n in range(9)]
    )
    log.append([row_of(seen("e1", at_ms=START_MS + 9, page_id=f"p{n}"), n) for n in range(4)])
    expected = list(logged_pages(log))
    assert len(expected) == 9
    for at_once in (1, 2, 5):
        monkeypatch.setattr("pagecast.featurestore.pages.logged_pages.PAGES_AT_ONCE", at_once)
        assert list(logged_pages(log)) == expected


ENTITIES = st.sampled_from(["e1", "e2", "e3"])
MOMENTS = st.integers(-2, 40).map(lambda minute: START_MS + minute * 60_000)

EVENTS = st.one_of(
    st.builds(lambda e, t: seen(e, at_ms=t), ENTITIES, MOMENTS),
    st.builds(click, ENTITIES, MOMENTS),
    st.builds(play, ENTITIES, MOMENTS, st.integers(1, 3)),
    st.builds(
        lambda e, n, t, c: stop(e, n, t, completed=c),
        ENTITIES, st.integers(0, 7200), MOMENTS, st.booleans(),
    ),
    st.builds(
        lambda e, t, n: on_page(t, rate=events_pb2.Rate(entity_id=e, rating=n)),
        ENTITIES, MOMENTS, st.integers(0, 5),
    ),
    st.builds(
        lambda e, t, r: on_page(t, add_to_list=events_pb2.AddToList(entity_id=e, removed=r)),
        ENTITIES, MOMENTS, st.booleans(),
    ),
)  # fmt: skip


@settings(max_examples=15)
@given(
    events=st.lists(EVENTS, max_size=12),
    twice=st.lists(st.integers(0, 11), max_size=4),
    seed=st.integers(),
)
def test_neither_the_order_of_arrival_nor_repetition_changes_a_logged_page(
    events: list[Event],
    twice: list[int],
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pages = [page(0, ["e1", "e2"], ["e3"]), page(1, ["e2"], page_id="p2", at_ms=START_MS + 1)]
    straight = OfflineLog(tmp_path_factory.mktemp("straight"))
    straight.append_pages(pages)
    straight.append([row_of(event, offset) for offset, event in enumerate(events)])
    shuffled = OfflineLog(tmp_path_factory.mktemp("shuffled"))
    again = [*events, *(events[n] for n in twice if n < len(events))]
    draw = random.Random(seed)
    draw.shuffle(again)
    rows = [row_of(event, offset) for offset, event in enumerate(again)]
    cut = draw.randint(0, len(rows))
    shuffled.append(rows[:cut])
    shuffled.append_pages([pages[1], pages[0]._replace(offset=2), pages[0]._replace(offset=3)])
    shuffled.append(rows[cut:])
    assert list(logged_pages(shuffled)) == list(logged_pages(straight))
