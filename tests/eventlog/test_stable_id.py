import uuid

from hypothesis import given
from hypothesis import strategies as st

from pagecast.eventlog.stable_id import event_id

moments = st.integers(min_value=0, max_value=(1 << 48) - 1)


@given(moments, st.text())
def test_an_id_is_a_uuid_of_version_7_that_begins_with_its_time(at_ms: int, content: str) -> None:
    made = uuid.UUID(event_id(at_ms, content))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == at_ms


@given(moments, st.text(), st.text())
def test_the_same_event_has_the_same_id_and_another_has_another(
    at_ms: int, one: str, other: str
) -> None:
    assert event_id(at_ms, one) == event_id(at_ms, one)
    assert (event_id(at_ms, one) == event_id(at_ms, other)) == (one == other)
