"""Ids that the proto's rule accepts, in the order of time."""

import uuid

from factories import play
from hypothesis import given
from hypothesis import strategies as st

from pagecast.eventlog.event_id import new_event_id
from pagecast.eventlog.validation import broken_rule


@given(st.integers(0, 2**48 - 1))
def test_it_is_a_uuid_of_version_7_with_its_time(at_ms: int) -> None:
    made = uuid.UUID(new_event_id(at_ms))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == at_ms


def test_no_two_are_the_same_and_the_rule_of_the_proto_takes_them() -> None:
    ids = {new_event_id(0) for _ in range(1000)}
    assert len(ids) == 1000
    event = play("ann", "heat")
    event.event_id = new_event_id()
    assert broken_rule(event) is None
