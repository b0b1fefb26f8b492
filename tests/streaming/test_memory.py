"""Memory and time stay bounded: by how many users there are, and by how much one of them does."""

import time
from pathlib import Path

import pytest
from factories import START_MS, event_id, timestamp
from streaming.factories_lanes import Lane, lanes_of
from streaming.factories_streaming import Positions, history_of

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.history.history import (
    HASH_BYTES,
    RECENT_EVENTS_MAX,
    STEPS_EVICTED_TOGETHER,
    STEPS_MAX,
)
from pagecast.featurestore.offline import OfflineLog
from pagecast.streaming.histories import HISTORIES_HELD_MAX
from pagecast.v1 import events_pb2

RESIDENT_BYTES_MAX = 700 * 1024 * 1024
"""Of a worker: Feast, pyarrow and their libraries, the histories it holds (`HISTORIES_HELD_MAX`),
and a batch."""

HISTORY_BYTES_MAX = 128 * 1024
"""Of the history of somebody who has filled everything in it: 512 steps and four sets of 1,024
entities."""

USERS, EVENTS = 20_000, 200_000

HOT_EVENTS = 100_000


def event(user_id: str, number: int) -> events_pb2.InteractionEvent:
    """Everything is new: another film, another session, a place to resume, a list that grows."""
    at_ms = START_MS + number * 60_000
    made = events_pb2.InteractionEvent(
        event_id=event_id(at_ms, user_id),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(session_id=f"session-{number}", device="tv"),
    )
    film = f"film-{number}"
    match number % 4:
        case 0:
            made.stop.entity_id, made.stop.completed = film, number % 8 == 0
            made.stop.watched.FromSeconds(60)
            made.stop.resume_position.FromSeconds(60)
        case 1:
            made.add_to_list.entity_id = film
        case 2:
            made.hide.entity_id = film
        case _:
            made.play.entity_id, made.play.kind = film, events_pb2.PLAY_KIND_FEATURE
    return made


def send_events(bootstrap: str, users: int, begin: int, end: int) -> Positions:
    """Events `begin` to `end`; each is of the next of so many users."""
    with EventProducer(bootstrap) as producer:
        for number in range(begin, end):
            user_id = f"user-{number % users}"
            value = event(user_id, number).SerializeToString()
            producer.send_bytes(INTERACTIONS, user_id.encode(), value, {})
        producer.flush()
        return producer.acknowledged


def size_and_seconds(lane: Lane, begin: int, end: int) -> tuple[int, float]:
    """Lets a worker ingest events of one user: the size of the history after it, and the time."""
    positions = send_events(lane.bootstrap, 1, begin, end)
    worker = lane.worker(batch=10_000)
    try:
        worker.wait_ready()
        began_s = time.monotonic()
        lane.wait(positions, 300)
        took_s = time.monotonic() - began_s
        assert worker.resident_bytes < RESIDENT_BYTES_MAX
        worker.stop()
    finally:
        worker.kill()
    [packed] = lane.stored(["user-0"]).histories.values()
    return len(packed), took_s


@pytest.mark.parametrize("events", [10_000, pytest.param(HOT_EVENTS, marks=pytest.mark.faults)])
def test_a_hot_user_costs_no_more_than_others(bootstrap: str, tmp_path: Path, events: int) -> None:
    """Somebody does more than a history holds: its size has a bound, the offline log has it all,
    and the second half takes no longer than the first, but for what a busy machine does."""
    [lane] = lanes_of(bootstrap, tmp_path, ["hot"])
    first_size, first_s = size_and_seconds(lane, 0, events // 2)
    size, second_s = size_and_seconds(lane, events // 2, events)
    assert first_size < HISTORY_BYTES_MAX
    assert size < HISTORY_BYTES_MAX
    assert size < 1.2 * first_size, "it was full before"
    assert second_s < 3 * first_s + 5.0
    assert len(OfflineLog(lane.paths.offline).scan([])) == events
    history = history_of(lane.paths, "user-0")
    assert history is not None
    assert STEPS_MAX - STEPS_EVICTED_TOGETHER < len(history.steps) <= STEPS_MAX
    assert len(history.steps) + history.steps_dropped == events, "nothing merges"
    assert sum(total.steps for total in history.entity_totals.values()) == history.steps_dropped
    assert len(history.recent_event_hashes) == RECENT_EVENTS_MAX * HASH_BYTES


@pytest.mark.faults
def test_many_users_take_no_more_memory_than_is_allowed(bootstrap: str, tmp_path: Path) -> None:
    """200,000 events of 20,000 users: more users than histories are held, ten events of each.

    Histories that were dropped are read again, and go on where they were.
    """
    assert USERS > HISTORIES_HELD_MAX
    [lane] = lanes_of(bootstrap, tmp_path, ["many"])
    worker = lane.worker(batch=10_000)
    try:
        worker.wait_ready()
        resident = []
        for begin in range(0, EVENTS, EVENTS // 10):
            lane.wait(send_events(bootstrap, USERS, begin, begin + EVENTS // 10), 120)
            resident.append(worker.resident_bytes)
        assert max(resident) < RESIDENT_BYTES_MAX, resident
        worker.stop()
    finally:
        worker.kill()
    for user_id in [f"user-{number}" for number in range(0, USERS, 2_003)]:
        history = history_of(lane.paths, user_id)
        assert history is not None
        assert len(history.steps) == EVENTS // USERS
