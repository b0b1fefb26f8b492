"""Step 2: what is an event, and what is wrong with what is not."""

import time
from typing import Any

import pytest
from factories import START_MS, genre_row, movie, play, rate, timestamp, upsert
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.eventlog import validation
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Reason, Rejection
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES, TRAININGS
from pagecast.eventlog.validation import (
    BYTES_MAX,
    FUTURE_MS_MAX,
    ProfileErased,
    catalog_change_of,
    catalog_key,
    interaction_of,
    order_to_forget,
    page_served_of,
    profile_change_of,
    training_requested_of,
)
from pagecast.v1 import catalog_pb2, events_pb2, training_pb2

EVENT = play("ann", "heat")

DAY_MS = 24 * 60 * 60 * 1000


def record(value: bytes | None, key: bytes | None = b"ann", topic: str = INTERACTIONS) -> Record:
    return Record(topic, "id", 0, 0, key, value, (), 0)


def refused(event: events_pb2.InteractionEvent) -> tuple[Reason, str]:
    rejection = interaction_of(record(event.SerializeToString(), event.user_id.encode()))
    assert isinstance(rejection, Rejection)
    assert rejection.detail
    return rejection.reason, rejection.field


def test_an_event_that_keeps_the_rules_is_taken() -> None:
    assert interaction_of(record(EVENT.SerializeToString())) == EVENT


def test_protovalidate_is_not_asked_about_an_event_that_plainly_keeps_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    ask = validation.broken_rule
    monkeypatch.setattr(
        validation, "broken_rule", lambda message, _: asked.append(message) or ask(message)
    )
    long_id = play("ann", "x" * 65)
    for event in (EVENT, rate("ann", "heat"), long_id):
        assert interaction_of(record(event.SerializeToString())) == event
    assert asked == [long_id]


def test_fields_that_a_newer_producer_adds_are_kept() -> None:
    newer = EVENT.SerializeToString() + b"\xf2\x07\x03abc"
    event = interaction_of(record(newer))
    assert isinstance(event, events_pb2.InteractionEvent)
    assert event.SerializeToString() == newer


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_no_bytes_can_make_it_fail(value: bytes) -> None:
    assert isinstance(interaction_of(record(value)), Rejection)


@settings(max_examples=100)
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


def row_of_kind(*kinds: str) -> catalog_pb2.CatalogChange:
    row = genre_row("Crime")
    row.predicate.compare.attribute = "kind"
    row.predicate.compare.values[:] = kinds
    return upsert(row)


def test_a_row_is_of_kinds_that_there_are() -> None:
    """Another one is a slip of the pen: the row would be empty for good."""
    names = catalog_pb2.EntityKind.DESCRIPTOR.values_by_name
    kinds = [name.removeprefix("ENTITY_KIND_").lower() for name in names]
    known = row_of_kind(*kinds[1:])
    assert catalog_change_of(record(known.SerializeToString(), b"genre-crime", CATALOG)) == known
    for kind in ("gmae", kinds[0], "ENTITY_KIND_GAME"):
        change = row_of_kind("game", kind)
        rejection = catalog_change_of(record(change.SerializeToString(), b"genre-crime", CATALOG))
        assert isinstance(rejection, Rejection)
        assert rejection.field == "upsert_row.predicate.compare"
        assert "live_event" in rejection.detail


@pytest.mark.parametrize("rating", [float("nan"), float("inf"), -0.1, 5.1])
def test_a_rating_that_is_none_is_refused(rating: float) -> None:
    assert refused(rate("ann", "heat", rating)) == (Reason.RULE_BROKEN, "rate.rating")


def test_an_event_without_an_action_known_here_is_refused() -> None:
    event = play("ann", "heat")
    event.ClearField("play")
    assert refused(event) == (Reason.RULE_BROKEN, "action")


def test_clocks_may_be_wrong_by_an_hour_but_no_more() -> None:
    now_ms = int(time.time() * 1000)
    near = play("ann", "heat", now_ms + FUTURE_MS_MAX - 60_000)
    assert interaction_of(record(near.SerializeToString())) == near
    far = play("ann", "heat", now_ms + FUTURE_MS_MAX + 60_000)
    assert refused(far) == (Reason.IN_THE_FUTURE, "occurred_at")


def test_a_record_that_is_read_again_later_is_judged_as_when_it_was_sent() -> None:
    now_ms = int(time.time() * 1000)
    sent_ms = now_ms - 2 * DAY_MS
    ahead = play("ann", "heat", now_ms - DAY_MS).SerializeToString()
    page = a_page()
    page.requested_at.FromMilliseconds(now_ms - DAY_MS)
    paged = record(page.SerializeToString(), topic=PAGES)
    change = upsert(movie("heat", "Crime"))
    profile = events_pb2.ProfileChange(user_id="ann")
    asked = training_request()
    for dated in (change, profile, asked):
        dated.occurred_at.FromMilliseconds(now_ms - DAY_MS)
    for parse, one in (
        (interaction_of, record(ahead)),
        (page_served_of, paged),
        (catalog_change_of, record(change.SerializeToString(), b"heat", CATALOG)),
        (profile_change_of, record(profile.SerializeToString(), topic=PROFILES)),
        (training_requested_of, record(asked.SerializeToString(), b"r1", TRAININGS)),
    ):
        found = parse(one._replace(timestamp_ms=sent_ms))
        assert isinstance(found, Rejection)
        assert found.reason == Reason.IN_THE_FUTURE
    for known_ms in (now_ms, now_ms - DAY_MS, now_ms + DAY_MS, 0, -1):
        assert not isinstance(
            interaction_of(record(ahead)._replace(timestamp_ms=known_ms)), Rejection
        )
        assert page_served_of(paged._replace(timestamp_ms=known_ms)) == page


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


@pytest.mark.parametrize("topic", [INTERACTIONS, CATALOG, PROFILES, PAGES, TRAININGS])
def test_a_record_may_have_so_many_bytes_and_no_more(topic: str) -> None:
    parse = {
        INTERACTIONS: interaction_of,
        CATALOG: catalog_change_of,
        PROFILES: profile_change_of,
        PAGES: page_served_of,
        TRAININGS: training_requested_of,
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


def test_a_record_of_a_profile_without_a_value_erases_it() -> None:
    assert profile_change_of(record(None, b"ann", PROFILES)) == ProfileErased(user_id="ann")


def test_an_empty_value_is_not_none() -> None:
    rejection = profile_change_of(record(b"", b"ann", PROFILES))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == Reason.MALFORMED


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"a\nb", b"x" * 257])
def test_but_whose_it_is_must_be_known(key: bytes | None) -> None:
    rejection = profile_change_of(record(None, key, PROFILES))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == Reason.MALFORMED


@pytest.mark.parametrize("value", [None, b""])
def test_on_other_topics_no_value_is_malformed(value: bytes | None) -> None:
    for parse, topic in ((interaction_of, INTERACTIONS), (page_served_of, PAGES)):
        rejection = parse(record(value, topic=topic))
        assert isinstance(rejection, Rejection)
        assert rejection.reason == Reason.MALFORMED


def test_an_order_to_forget_is_an_event_in_the_log_and_refused_at_the_doors() -> None:
    order = play("ann", "heat")
    order.user_forgotten.SetInParent()
    assert interaction_of(record(order.SerializeToString())) == order
    rejection = order_to_forget(order)
    assert rejection is not None
    assert rejection.field == "user_forgotten"
    assert "ForgetUser" in rejection.detail
    assert "pagecast forget" in rejection.detail
    assert order_to_forget(EVENT) is None


def a_page() -> events_pb2.PageServed:
    page = events_pb2.PageServed(
        page_id="p1", user_id="ann", requested_at=timestamp(START_MS), seed=7
    )
    page.rows.add(row_id="top", entity_ids=["heat", "ran"], entity_log_probabilities=[-1, -2])
    return page


def page_refused(page: events_pb2.PageServed, key: bytes = b"ann") -> tuple[Reason, str]:
    rejection = page_served_of(record(page.SerializeToString(), key, PAGES))
    assert isinstance(rejection, Rejection)
    assert rejection.detail
    return rejection.reason, rejection.field


def test_a_page_as_servers_report_it_is_taken() -> None:
    assert page_served_of(record(a_page().SerializeToString(), topic=PAGES)) == a_page()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("page_id", ""),
        ("page_id", "x" * 257),
        ("user_id", ""),
        ("user_id", "a\x00"),
        ("requested_at", timestamp(-1000)),
    ],
)
def test_a_page_says_which_it_is_whose_and_when(field: str, value: Any) -> None:
    page = a_page()
    page.ClearField(field)  # type: ignore[arg-type]
    if isinstance(value, str):
        setattr(page, field, value)
    else:
        getattr(page, field).CopyFrom(value)
    assert page_refused(page) == (Reason.RULE_BROKEN, field)


def test_a_page_from_the_future_is_refused() -> None:
    page = a_page()
    page.requested_at.FromMilliseconds(int(time.time() * 1000) + FUTURE_MS_MAX + 60_000)
    assert page_refused(page) == (Reason.IN_THE_FUTURE, "requested_at")


def test_a_rows_of_a_page_have_ids_and_as_many_numbers_as_entities() -> None:
    nameless, uneven = a_page(), a_page()
    nameless.rows[0].row_id = ""
    assert page_refused(nameless) == (Reason.RULE_BROKEN, "rows[0].row_id")
    uneven.rows.add(row_id="new", entity_ids=["heat"])
    assert page_refused(uneven) == (Reason.RULE_BROKEN, "rows[1].entity_log_probabilities")


def test_a_page_has_the_key_of_its_user() -> None:
    assert page_refused(a_page(), b"bob") == (Reason.KEY_MISMATCH, "")


def training_request(**changes: object) -> training_pb2.TrainingRequested:
    request = training_pb2.TrainingRequested(
        request_id="r1", trigger=training_pb2.TRAINING_TRIGGER_EVENTS, occurred_at=EVENT.occurred_at
    )
    request.MergeFrom(training_pb2.TrainingRequested(**changes))  # type: ignore[arg-type]
    return request


def test_a_request_to_train_is_taken_under_its_id_alone() -> None:
    request = training_request(detail="12000 events")
    value = request.SerializeToString()
    assert training_requested_of(record(value, b"r1", TRAININGS)) == request
    rejection = training_requested_of(record(value, b"r2", TRAININGS))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == Reason.KEY_MISMATCH


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("detail", "x" * 1025),
        ("kind", 9),
        ("base_version", "v" * 65),
        ("hold_out", 0.95),
        ("budget_minutes", 0.0),
        ("budget_steps", 0),
        ("profile", "huge"),
        ("promotion", 3),
    ],
)
def test_a_request_to_train_that_breaks_a_rule_is_refused_by_field(
    field: str, wrong: object
) -> None:
    value = training_request(**{field: wrong}).SerializeToString()
    rejection = training_requested_of(record(value, b"r1", TRAININGS))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.field) == (Reason.RULE_BROKEN, field)
