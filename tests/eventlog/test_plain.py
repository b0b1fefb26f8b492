"""What is accepted without protovalidate, protovalidate would accept; most events are."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from factories import START_MS, event_id, play, rate, timestamp
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st
from protovalidate import Validator

from pagecast.eventlog import plain
from pagecast.eventlog.plain import (
    CONTEXT_BYTES_MAX,
    CONTEXTS_HELD_MAX,
    plainly_valid,
)
from pagecast.v1 import events_pb2

VALIDATOR = Validator()
UNTIL_S = START_MS / 1000 + 3600
PLACE = events_pb2.Placement(row_id="top", row_position=3, entity_position=999)


def an_event(**action: Any) -> events_pb2.InteractionEvent:
    """As clients send them: with every field set."""
    return events_pb2.InteractionEvent(
        event_id=event_id(START_MS),
        user_id="ann",
        occurred_at=timestamp(START_MS),
        context=events_pb2.RequestContext(
            session_id="ann-17",
            page_id="01a0f944-7f78-7ebd-a273-85d12d34038b",
            device="tv",
            country="SE",
            language="sv",
            surface="home",
            login_at=timestamp(START_MS),
        ),
        **action,
    )


def a_stop() -> events_pb2.InteractionEvent:
    made = an_event(stop=events_pb2.Stop(entity_id="heat", completed=True))
    made.stop.watched.FromMilliseconds(5_451_250)
    made.stop.resume_position.FromMilliseconds(12_000)
    return made


def an_impression() -> events_pb2.InteractionEvent:
    made = an_event(impression=events_pb2.Impression())
    for i in range(4):
        made.impression.rows.add(
            row_id=f"row-{i}", row_position=i, entity_ids=[f"film-{e}" for e in range(10)]
        )
    return made


COMMON = {
    "impression": an_impression(),
    "click": an_event(click=events_pb2.Click(entity_id="heat", placement=PLACE)),
    "view_details": an_event(view_details=events_pb2.ViewDetails(entity_id="é", placement=PLACE)),
    "play": an_event(play=events_pb2.Play(entity_id="heat", kind="PLAY_KIND_LIVE")),
    "stop": a_stop(),
    "rate": an_event(rate=events_pb2.Rate(entity_id="heat", rating=4.5, placement=PLACE)),
    "add_to_list": an_event(add_to_list=events_pb2.AddToList(entity_id="heat", placement=PLACE)),
    "hide": an_event(hide=events_pb2.Hide(entity_id="heat", placement=PLACE)),
    "search": an_event(search=events_pb2.Search(query="ferry\nat night", entity_id="heat")),
    "purchase": an_event(purchase=events_pb2.Purchase(entity_id="heat", placement=PLACE)),
    "user_forgotten": an_event(user_forgotten=events_pb2.UserForgotten()),
}


def kept(event: events_pb2.InteractionEvent) -> bool:
    """What protovalidate says, and the clock."""
    in_time = event.occurred_at.seconds < UNTIL_S
    return in_time and not VALIDATOR.collect_violations(event)


def test_there_is_a_common_event_of_every_action() -> None:
    oneof = events_pb2.InteractionEvent.DESCRIPTOR.oneofs_by_name["action"]
    assert COMMON.keys() == {field.name for field in oneof.fields}


@pytest.mark.parametrize("action", COMMON)
def test_a_common_event_is_accepted(action: str) -> None:
    assert plainly_valid(COMMON[action], UNTIL_S)
    assert kept(COMMON[action])


@pytest.mark.parametrize("event", [play("ann", "heat"), rate("ann", "heat"), rate("ann", "h", 0)])
def test_so_is_one_that_says_no_more_than_it_must(event: events_pb2.InteractionEvent) -> None:
    event.ClearField("context")
    assert plainly_valid(event, UNTIL_S)


ENDS = ["", "\n", "\x00", "\x1f", "\x7f", "\x80", "\u2028", "\U0001f3ac", " ", "\u00ad", "A", "1"]
LENGTHS = [0, 1, 2, 8, 9, 31, 32, 33, 35, 36, 63, 64, 65, 85, 86, 128, 256, 257, 341, 342, 1024]
BODIES = ["a", "Z", "é", "漢", "\U0001f3ac", "-", "7", "SE", "\x1f", "$"]

ALMOST_UUIDS = [
    "01a0f944-7f78-7ebd-a273-85d12d34038b",
    "01a0f944-7f78-7ebd-a273-85d12d34038b\n",
    "01A0f944-7f78-7ebd-a273-85d12d34038b",
    "01a0f944-7f78-4ebd-a273-85d12d34038b",
    "01a0f944-7f78-7ebd-c273-85d12d34038b",
    "01a0f944-7f78-7ebd-A273-85d12d34038b",
    "01a0f944-7f78-7ebd-a273-85d12d34038",
    "01a0f944-7f78-7ebd-a273-85d12d34038g",
    "01a0f944-7f78-7ebd-a273-85d12d34038\u0668",
    "01a0f9447f787ebda27385d12d34038b",
]
EDGES = [*ALMOST_UUIDS, *(body * n + end for body in BODIES for n in LENGTHS for end in ENDS)]

texts = st.one_of(
    st.sampled_from(EDGES),
    st.text(max_size=300),
)


def edges(low: int, high: int) -> list[int]:
    """The ends of a type and of every rule, and those next to them."""
    near = [0, 1, 3, 4, 40, 100, 999, 1000, 172_799, 172_800, 10**9 - 1, 10**9, int(UNTIL_S)]
    marks = {mark + d for mark in (*near, low, high) for d in (-1, 0, 1)} | {-mark for mark in near}
    return sorted(mark for mark in marks if low <= mark <= high)


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from(edges(low, high)), st.integers(low, high))


VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: texts,
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_ENUM: whole(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: whole(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: whole(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: whole(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
}

EXTREMES: dict[int, list[Any]] = {
    FieldDescriptor.TYPE_STRING: EDGES,
    FieldDescriptor.TYPE_BOOL: [False, True],
    FieldDescriptor.TYPE_ENUM: edges(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: edges(0, 2**32 - 1),
    FieldDescriptor.TYPE_INT32: edges(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: edges(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_FLOAT: [-0.0, 5.0, 5.0000005, -1e-45, 1e-45, *map(float, ("nan", "inf"))],
}

Path = tuple[FieldDescriptor, ...]


def leaves(message: Descriptor, path: Path = ()) -> Iterator[Path]:
    """Every field that holds a value, and the way to it."""
    for field in message.fields:
        if field.message_type is None:
            yield (*path, field)
        else:
            yield from leaves(field.message_type, (*path, field))


def leaves_of(action: str) -> list[Path]:
    """Of an event with this action."""
    fields = leaves(events_pb2.InteractionEvent.DESCRIPTOR)
    return [p for p in fields if p[0].containing_oneof is None or p[0].name == action]


def put(message: Any, path: Path, value: Any, draw: Callable[..., Any]) -> None:
    """Sets a field; of a repeated one on the way, any element."""
    *way, last = path
    for field in way:
        message = getattr(message, field.name)
        if field.is_repeated:
            message = message[draw(st.integers(0, len(message) - 1))]
    if last.is_repeated:
        getattr(message, last.name)[0] = value
    else:
        setattr(message, last.name, value)


@pytest.mark.parametrize("action", COMMON)
def test_at_the_edges_of_every_field_it_keeps_every_rule(action: str) -> None:
    accepted = 0
    for path in leaves_of(action):
        for value in EXTREMES[path[-1].type]:
            event = events_pb2.InteractionEvent()
            event.CopyFrom(COMMON[action])
            put(event, path, value, lambda _: 0)
            if plainly_valid(event, UNTIL_S):
                accepted += 1
                assert kept(event), event
    assert accepted


@pytest.mark.parametrize("action", COMMON)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_it_accepts_keeps_every_rule(action: str, data: st.DataObject) -> None:
    event = events_pb2.InteractionEvent()
    event.CopyFrom(COMMON[action])
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(leaves_of(action)))
        put(event, path, data.draw(VALUES[path[-1].type]), data.draw)
    accepted = plainly_valid(event, UNTIL_S)
    note(f"accepted: {accepted}")
    if accepted:
        assert kept(event), event


@pytest.mark.parametrize("entities", [0, 1, 100, 101])
@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_so_does_an_impression_of_any_length(entities: int, rows: int) -> None:
    event = an_event(impression=events_pb2.Impression())
    for _ in range(rows * 20):
        event.impression.rows.add(row_id="r", entity_ids=["e"] * entities)
    assert not plainly_valid(event, UNTIL_S) or kept(event)


@pytest.mark.parametrize("field", ["occurred_at", "play"])
def test_what_must_be_there_is_missed(field: Any) -> None:
    event = play("ann", "heat")
    event.ClearField(field)
    assert not plainly_valid(event, UNTIL_S)


def test_contexts_are_held_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    held: set[bytes] = set()
    monkeypatch.setattr(plain, "_contexts", held)
    event = play("ann", "heat")
    for i in range(CONTEXTS_HELD_MAX + 10):
        event.context.session_id = f"s{i}"
        assert plainly_valid(event, UNTIL_S)
        assert 0 < len(held) <= CONTEXTS_HELD_MAX
    assert len(held) == 10


def test_a_context_with_fields_of_a_newer_producer_is_not_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held: set[bytes] = set()
    monkeypatch.setattr(plain, "_contexts", held)
    event = play("ann", "heat")
    newer = b"\xf2\x07" + b"\x80\x08" + b"x" * 1024
    event.context.MergeFromString(newer)
    assert len(newer) > CONTEXT_BYTES_MAX
    assert plainly_valid(event, UNTIL_S)
    assert not held


def test_the_future_begins_where_it_is_told() -> None:
    event = play("ann", "heat", int(time.time() * 1000))
    assert plainly_valid(event, event.occurred_at.seconds + 1)
    assert not plainly_valid(event, event.occurred_at.seconds)
