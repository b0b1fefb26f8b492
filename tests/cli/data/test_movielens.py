import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given
from hypothesis import strategies as st

from pagecast.cli.data.files import write_data_set, write_slices
from pagecast.cli.data.movielens import (
    SESSION_GAP_S,
    WEEK_S,
    Shift,
    catalog_changes,
    interactions,
    profiles,
)
from pagecast.cli.data.source import Film, MovieLens, Rating, read_movielens
from pagecast.v1 import catalog_pb2, events_pb2

Write = Callable[..., Path]
NOW_S = 1_700_000_000
UNSHIFTED = Shift(weeks=0)

FILMS = [
    Film(film_id=1, title="Usual Suspects, The", year=1995, genres=("Crime", "Thriller")),
    Film(film_id=2, title="Metropolis", year=1926, genres=("Sci-Fi",)),
    Film(film_id=3, title="Lost", year=None, genres=()),
]


def a_data_set(ratings: list[tuple[int, int, int, int]]) -> MovieLens:
    """Of (user, film, rating, seconds)."""
    made = [
        Rating(user_id=user, film_id=film, rating=rating, at_s=at_s, line=line)
        for line, (user, film, rating, at_s) in enumerate(ratings)
    ]
    made.sort(key=lambda r: (r.at_s, r.user_id, r.line))
    return MovieLens(films=FILMS, ratings=made, ages={1: 11, 2: 15, 3: 40})


data_sets = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(1, 5),
        st.integers(1, 5),
        st.integers(874_000_000, 894_000_000),
    ),
    min_size=1,
    max_size=20,
).map(a_data_set)


def parsed(value: dict[str, Any]) -> events_pb2.InteractionEvent:
    return ParseDict(value, events_pb2.InteractionEvent())


@given(data_sets, st.integers(900_000_000, 1_900_000_000))
def test_every_message_obeys_the_rules_of_its_proto(data: MovieLens, now_s: int) -> None:
    shift = Shift.to_now(data, now_s)
    for message in (
        *catalog_changes(data, shift),
        *profiles(data, shift),
        *(parsed(event) for _, event in interactions(data, shift)),
    ):
        protovalidate.validate(message)


@given(data_sets)
def test_events_are_written_as_the_json_mapping_would_write_them(data: MovieLens) -> None:
    for at_ms, event in interactions(data, UNSHIFTED):
        assert MessageToDict(parsed(event)) == event
        assert parsed(event).occurred_at.ToMilliseconds() == at_ms


@given(data_sets)
def test_a_rating_becomes_a_play_and_then_a_rate_at_its_time(data: MovieLens) -> None:
    events = [parsed(event) for _, event in interactions(data, UNSHIFTED)]
    assert [event.WhichOneof("action") for event in events] == ["play", "rate"] * len(data.ratings)
    for rating, played, rated in zip(data.ratings, events[::2], events[1::2], strict=True):
        assert played.occurred_at == rated.occurred_at
        assert played.occurred_at.seconds == rating.at_s
        assert played.play.entity_id == rated.rate.entity_id == f"ml-{rating.film_id}"
        assert rated.rate.rating == rating.rating


@given(data_sets)
def test_nothing_that_is_not_known_is_invented(data: MovieLens) -> None:
    for _, event in interactions(data, UNSHIFTED):
        assert set(event["context"]) == {"sessionId"}
        assert "placement" not in event.get("play", event.get("rate", {}))


@given(data_sets)
def test_events_come_in_time_order_and_the_same_every_time(data: MovieLens) -> None:
    events = list(interactions(data, UNSHIFTED))
    assert [at_ms for at_ms, _ in events] == sorted(at_ms for at_ms, _ in events)
    assert events == list(interactions(data, UNSHIFTED))


@given(data_sets)
def test_ids_differ_unless_the_source_says_the_same_twice(data: MovieLens) -> None:
    said = {(r.user_id, r.film_id, r.at_s) for r in data.ratings}
    ids = {event["eventId"] for _, event in interactions(data, UNSHIFTED)}
    assert len(ids) == 2 * len(said)


@given(data_sets, st.integers(900_000_000, 1_900_000_000))
def test_the_shift_is_whole_weeks_and_ends_within_a_week_before_now(
    data: MovieLens, now_s: int
) -> None:
    last_s = Shift.to_now(data, now_s).at_ms(data.ratings[-1].at_s) // 1000
    assert 0 <= now_s - last_s < WEEK_S
    assert (last_s - data.ratings[-1].at_s) % WEEK_S == 0


def test_a_long_silence_begins_a_new_session_of_that_user() -> None:
    gap = SESSION_GAP_S
    data = a_data_set([(1, 1, 3, 0), (2, 1, 3, 10), (1, 2, 3, gap), (1, 3, 3, 2 * gap + 1)])
    sessions = [event["context"]["sessionId"] for _, event in interactions(data, UNSHIFTED)]
    assert sessions[::2] == ["1-1", "2-1", "1-1", "1-2"]


@pytest.fixture
def entities() -> dict[str, catalog_pb2.Entity]:
    data = a_data_set([(1, 1, 3, 880_000_000)])
    changes = catalog_changes(data, Shift.to_now(data, NOW_S))
    return {
        c.upsert_entity.entity_id: c.upsert_entity for c in changes if c.HasField("upsert_entity")
    }


def test_a_film_keeps_its_year_and_is_released_in_shifted_time(
    entities: dict[str, catalog_pb2.Entity],
) -> None:
    film = entities["ml-1"]
    assert (film.title, film.attributes["year"]) == ("The Usual Suspects", "1995")
    assert list(film.genres) == ["Crime", "Thriller"]
    assert (film.released_at.seconds - 788_918_400) % WEEK_S == 0, "1 January 1995 plus weeks"
    assert film.released_at.seconds <= NOW_S


def test_a_film_without_a_year_says_none(entities: dict[str, catalog_pb2.Entity]) -> None:
    assert not entities["ml-3"].HasField("released_at")
    assert "year" not in entities["ml-3"].attributes


def test_there_is_a_row_a_genre_a_decade_and_a_source() -> None:
    changes = catalog_changes(a_data_set([(1, 1, 3, 880_000_000)]), UNSHIFTED)
    rows = [c.upsert_row.row_id for c in changes if c.HasField("upsert_row")]
    assert rows == [
        *("top", "continue", "popular", "recent", "because"),
        *("genre-crime", "genre-sci-fi", "genre-thriller", "decade-1920s", "decade-1990s"),
    ]


def test_profile_types_follow_from_ages_and_only_from_ages() -> None:
    data = a_data_set([(1, 1, 3, 5), (2, 1, 3, 6), (3, 1, 3, 7), (4, 1, 3, 8), (1, 2, 3, 9)])
    made = {p.user_id: p.profile_type for p in profiles(data, UNSHIFTED)}
    assert made == {
        "1": events_pb2.PROFILE_TYPE_KID,
        "2": events_pb2.PROFILE_TYPE_TEEN,
        "3": events_pb2.PROFILE_TYPE_ADULT,
    }


@given(data_sets, st.floats(0.0, 1.0))
def test_slices_are_cut_by_time_and_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: MovieLens, share: float
) -> None:
    slices = write_slices(data, UNSHIFTED, tmp_path_factory.mktemp("slices"), share)
    first, following = (
        [parsed(json.loads(line)) for line in file.path.read_text("utf-8").splitlines()]
        for file in (slices.first, slices.next)
    )
    assert (len(first), len(following)) == (slices.first.lines, slices.next.lines)
    assert len(first) + len(following) == 2 * len(data.ratings)
    assert all(e.occurred_at.ToMilliseconds() < slices.cut_ms for e in first)
    assert all(e.occurred_at.ToMilliseconds() >= slices.cut_ms for e in following)


def test_files_are_written_whole_with_a_line_a_message(
    write_movielens: Write, tmp_path: Path
) -> None:
    source = write_movielens(
        films=["1\tMisérables, Les\t1995\tDrama"],
        ratings=["7\t1\t4\t880000000"],
        users=["7\t24\tM\ttechnician\t85711"],
    )
    files = write_data_set(read_movielens(source), UNSHIFTED, tmp_path / "out")
    assert [(f.path.name, f.lines) for f in files] == [
        ("catalog.jsonl", 8),
        ("profiles.jsonl", 1),
        ("interactions.jsonl", 2),
    ]
    assert "Les Misérables" in files[0].path.read_text("utf-8")
    assert set((tmp_path / "out").iterdir()) == {f.path for f in files}, "nothing temporary stays"
