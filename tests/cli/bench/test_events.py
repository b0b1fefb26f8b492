"""The same events for the same seed, in a mix such as a homepage makes."""

from collections import Counter

from pagecast.cli.bench.events import BATCH_EVENTS, EventsConfig, make_events
from pagecast.eventlog.record import Record
from pagecast.eventlog.rejection import Rejection
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.eventlog.validation import interaction_of
from pagecast.v1 import events_pb2


def events(count: int = BATCH_EVENTS, **changes: int) -> list[events_pb2.InteractionEvent]:
    return list(make_events(EventsConfig(events=count, **changes)))


def test_a_seed_says_which_events_they_are() -> None:
    assert events(500) == events(500)
    assert events(500) != events(500, seed=2)


def test_a_longer_run_begins_as_a_shorter_one_does() -> None:
    assert events(BATCH_EVENTS + 100)[:BATCH_EVENTS] == events()


def test_a_batch_is_of_all_users_and_of_all_kinds() -> None:
    batch = events()
    assert len({event.user_id for event in batch}) > 900
    kinds = Counter(event.WhichOneof("action") for event in batch)
    assert kinds.keys() == {
        "impression", "click", "view_details", "play", "stop", "rate", "add_to_list", "hide",
        "search", "purchase",
    }  # fmt: skip
    assert 0.15 < kinds["play"] / len(batch) < 0.30
    assert abs(kinds["play"] - kinds["stop"]) < 0.02 * len(batch)


def test_every_event_is_one_that_the_worker_takes() -> None:
    for event in events(1_000):
        key, value = event.user_id.encode(), event.SerializeToString()
        record = Record(INTERACTIONS, "log", 0, 0, key, value, (), 0)
        assert not isinstance(interaction_of(record), Rejection)


def test_some_come_twice_and_some_come_late() -> None:
    batch = events()
    twice = len(batch) - len({event.event_id for event in batch})
    assert 0.002 < twice / len(batch) < 0.01
    newest_ms, late = 0, 0
    for event in batch:
        at_ms = event.occurred_at.ToMilliseconds()
        late += at_ms < newest_ms
        newest_ms = max(newest_ms, at_ms)
    assert late > 0


def test_a_later_batch_goes_on_in_time() -> None:
    first, later = events(100), events(100, first_batch=3)
    assert max(e.occurred_at.seconds for e in first) < min(e.occurred_at.seconds for e in later)
