"""Actions laid over a history: at once what ingest will make of them, each of them once."""

from copy import deepcopy

from factories import START_MS, play
from factories_featurestore import event_streams, make_event
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.history.fold import FoldConfig, apply_event
from pagecast.featurestore.history.history import History, HistoryVersion
from pagecast.featurestore.history.overlay import (
    digest,
    history_of_page,
    lay_over,
    recorded,
    steers,
)
from pagecast.v1 import events_pb2

Event = events_pb2.InteractionEvent

SMALL = FoldConfig(steps_max=6, evicted_together=2)
"""A window that is soon full."""


def ingested(events: list[Event], config: FoldConfig = SMALL) -> History:
    """As ingest folds them."""
    history = History("ada")
    for offset, event in enumerate(events):
        version = HistoryVersion(topic_id="t", partition=0, next_offset=offset + 1)
        apply_event(history, event, version, config)
    return history


def but_for_its_version(history: History) -> History:
    same = deepcopy(history)
    same.topic_id, same.partition, same.next_offset = "", 0, 0
    return same


@settings(max_examples=40)
@given(events=event_streams(events_max=24), data=st.data())
def test_a_history_under_actions_is_the_history_once_they_are_ingested(
    events: list[Event], data: st.DataObject
) -> None:
    done_from = data.draw(st.integers(0, len(events)))
    seen_by_ingest = data.draw(st.integers(done_from, len(events)))
    before = ingested(events[:seen_by_ingest])
    version = before.version
    history, laid = lay_over(before, "ada", events[done_from:], SMALL)
    assert history is before
    assert history.version == version
    assert but_for_its_version(history) == but_for_its_version(ingested(events))
    # Those that were ingested, and repetitions, are not laid over it.
    held = {event.event_id for event in events[:seen_by_ingest]}
    expected = dict.fromkeys(e.event_id for e in events[seen_by_ingest:] if e.event_id not in held)
    assert [event.event_id for event in laid] == list(expected)


@settings(max_examples=40)
@given(events=event_streams(events_max=24), data=st.data())
def test_no_action_counts_twice(events: list[Event], data: st.DataObject) -> None:
    done_from = data.draw(st.integers(0, len(events)))
    once, _ = lay_over(ingested(events[:done_from]), "ada", events[done_from:], SMALL)
    twice, laid = lay_over(deepcopy(once), "ada", events[done_from:], SMALL)
    assert laid == ()
    assert twice == once


@settings(max_examples=25)
@given(events=event_streams(events_max=12), data=st.data())
def test_the_record_of_a_page_says_what_its_history_was(
    events: list[Event], data: st.DataObject
) -> None:
    done_from = data.draw(st.integers(0, len(events)))
    stored = ingested(events[:done_from])
    served, laid = lay_over(deepcopy(stored), "ada", events[done_from:], SMALL)
    page = events_pb2.PageServed(user_id="ada", actions=recorded(laid))
    untouched = deepcopy(stored)
    assert history_of_page(page, stored, SMALL) == served
    assert stored == untouched


def test_a_stranger_who_has_done_something_has_a_history_without_a_version() -> None:
    history, laid = lay_over(None, "ada", [play("ada", "m1")])
    assert history is not None
    assert history.version is None
    assert [step.entity_id for step in history.steps] == ["m1"]
    assert len(laid) == 1
    assert lay_over(None, "ada", []) == (None, ())


def test_what_was_searched_for_is_not_recorded() -> None:
    search = make_event(search=events_pb2.Search(query="my secret", entity_id="m1"))
    [kept] = recorded((search,))
    assert (kept.search.query, kept.search.entity_id) == ("", "m1")
    assert search.search.query == "my secret"


def test_an_impression_does_not_steer() -> None:
    seen = events_pb2.Impression(rows=[events_pb2.SeenRow(row_id="top", entity_ids=["m1"])])
    assert not steers(make_event(impression=seen))
    assert steers(make_event(hide=events_pb2.Hide(entity_id="m1")))


def test_the_digest_tells_actions_apart() -> None:
    one, other = play("ada", "m1"), play("ada", "m1", START_MS + 1)
    assert digest(()) == b""
    assert len({digest((one,)), digest((other,)), digest((one, other)), digest((other, one))}) == 4
