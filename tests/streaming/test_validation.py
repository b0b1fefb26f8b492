"""Step 2: what is an event, and what is wrong with what is none."""

import time

import pytest
from factories import START_MS, genre_row, movie, play, rate, timestamp, upsert
from hypothesis import given
from hypothesis import strategies as st

from pagecast.eventlog.record import Record
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PROFILES
from pagecast.streaming.validation import (
    BYTES_MAX,
    FUTURE_MS_MAX,
    Reason,
    Rejection,
    catalog_change_of,
    catalog_key,
    interaction_of,
    profile_change_of,
)
from pagecast.v1 import catalog_pb2, events_pb2

EVENT = play("ann", "heat")


def record(value: bytes, key: bytes | None = b"ann", topic: str = INTERACTIONS) -> Record:
    return Record(topic, "id", 0, 0, key, value, {}, 0)


def refused(event: events_pb2.InteractionEvent) -> tuple[Reason, str]:
    rejection = interaction_of(record(event.SerializeToString(), event.user_id.encode()))
    assert isinstance(rejection, Rejection)
    assert rejection.detail
    return rejection.reason, rejection.field


def test_an_event_that_keeps_the_rules_is_taken() -> None:
    assert interaction_of(record(EVENT.SerializeToString())) == EVENT


def test_fields_that_a_newer_producer_adds_are_kept() -> None:
    newer = EVENT.SerializeToString() + b"\xf2\x07\x03abc"
    event = interaction_of(record(newer))
    assert isinstance(event, events_pb2.InteractionEvent)
    assert event.SerializeToString() == newer


@given(st.binary(max_size=200))
def test_no_bytes_can_make_it_fail(value: bytes) -> None:
    assert isinstance(interaction_of(record(value)), Rejection)


@given(st.integers(0, len(EVENT.SerializeToString()) - 1), st.integers(0, 7))
def test_one_bit_flipped_is_an_event_or_refused(place: int, bit: int) -> None:
    value = bytearray(EVENT.SerializeToString())
    value[place] ^= 1 << bit
    assert isinstance(interaction_of(record(bytes(value))), events_pb2.InteractionEvent | Rejection)


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("event_id", "not-a-uuid", "event_id"),
        ("user_id", "", "user_id"),
        ("user_id", "x" * 257, "user_id"),
        ("user_id", "a\nb", "user_id"),
    ],
)
def test_a_broken_rule_names_the_field(field: str, value: str, path: str) -> None:
    event = play("ann", "heat")
    setattr(event, field, value)
    assert refused(event) == (Reason.RULE_BROKEN, path)


def test_a_broken_rule_names_the_place_within() -> None:
    event = play("ann", "")
    assert refused(event) == (Reason.RULE_BROKEN, "play.entity_id")
    change = upsert(movie("heat", "Crime", ""))
    rejection = catalog_change_of(record(change.SerializeToString(), b"heat", CATALOG))
    assert isinstance(rejection, Rejection)
    assert rejection.field == "upsert_entity.genres[1]"


@pytest.mark.parametrize("rating", [float("nan"), float("inf"), -0.1, 5.1])
def test_a_rating_that_is_none_is_refused(rating: float) -> None:
    assert refused(rate("ann", "heat", rating)) == (Reason.RULE_BROKEN, "rate.rating")


def test_an_event_without_an_action_known_here_is_refused() -> None:
    event = play("ann", "heat")
    event.ClearField("play")
    assert refused(event) == (Reason.RULE_BROKEN, "action")


def test_clocks_may_be_wrong_by_a_day_but_no_more() -> None:
    now_ms = int(time.time() * 1000)
    near = play("ann", "heat", now_ms + FUTURE_MS_MAX - 60_000)
    assert interaction_of(record(near.SerializeToString())) == near
    far = play("ann", "heat", now_ms + FUTURE_MS_MAX + 60_000)
    assert refused(far) == (Reason.IN_THE_FUTURE, "occurred_at")


def test_1970_is_a_time_and_1969_is_none() -> None:
    first = play("ann", "heat", 0)
    assert interaction_of(record(first.SerializeToString())) == first
    before = play("ann", "heat")
    before.occurred_at.FromMilliseconds(-1)
    assert refused(before) == (Reason.RULE_BROKEN, "occurred_at")


@pytest.mark.parametrize("key", [None, b"", b"bob", b"ann "])
def test_the_key_must_be_the_user(key: bytes | None) -> None:
    rejection = interaction_of(record(EVENT.SerializeToString(), key))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == Reason.KEY_MISMATCH
    assert "ann" not in rejection.detail


@pytest.mark.parametrize("topic", [INTERACTIONS, CATALOG, PROFILES])
def test_a_record_may_have_so_many_bytes_and_no_more(topic: str) -> None:
    parse = {
        INTERACTIONS: interaction_of,
        CATALOG: catalog_change_of,
        PROFILES: profile_change_of,
    }[topic]
    for size, reason in [(BYTES_MAX[topic], Reason.MALFORMED), (BYTES_MAX[topic] + 1, "TOO_LARGE")]:
        rejection = parse(record(b"\xff" * size, topic=topic))
        assert isinstance(rejection, Rejection)
        assert rejection.reason == reason


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (upsert(movie("heat")), "heat"),
        (upsert(genre_row("Crime")), "genre-crime"),
        (
            catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id="heat"),
            "heat",
        ),
        (catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_row_id="top"), "top"),
    ],
)
def test_a_catalog_change_has_the_key_of_what_changes(
    change: catalog_pb2.CatalogChange, key: str
) -> None:
    assert catalog_key(change) == key
    value = change.SerializeToString()
    assert catalog_change_of(record(value, key.encode(), CATALOG)) == change
    rejection = catalog_change_of(record(value, b"other", CATALOG))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == Reason.KEY_MISMATCH


def test_a_profile_change_has_the_key_of_its_user() -> None:
    change = events_pb2.ProfileChange(user_id="ann", occurred_at=timestamp(START_MS))
    assert profile_change_of(record(change.SerializeToString(), b"ann", PROFILES)) == change
    rejection = profile_change_of(record(change.SerializeToString(), b"bob", PROFILES))
    assert isinstance(rejection, Rejection)
