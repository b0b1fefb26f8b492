"""A worker under unusual loads: memory and time stay bounded, and nothing is lost.

Each test has its expected behaviour in its docstring.
"""

import time

import pytest
from eventlog.factories_eventlog import read_all
from factories import START_MS, play
from streaming.factories_streaming import Positions, history_of, ingest, send
from streaming.worker_process import WorkerProcess

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS, dead_letter
from pagecast.featurestore.history import RECENT_EVENTS_MAX, STEPS_EVICTED_TOGETHER, STEPS_MAX
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.packing import pack
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.progress import wait_until_ingested

HOUR_MS = 3_600_000
MEBI = 1024 * 1024

RESIDENT_BYTES_MAX = 768 * MEBI
"""Of a worker: Feast, pyarrow and the clients take about 300 MiB; the rest is a batch, what waits
for the offline log, and the histories it holds."""

PACKED_BYTES_MAX = 96 * 1024
"""Of one history: a full window, 512 hashes, full totals, short names."""


def pour(bootstrap: str, users: list[str], events: int) -> Positions:
    """Plays of these users in turn, of another film each minute: none merge."""
    with EventProducer(bootstrap) as producer:
        for n in range(events):
            user = users[n % len(users)]
            event = play(user, f"film-{n % 3_000}", START_MS + n // len(users) * 60_000)
            producer.send(INTERACTIONS, user, event)
        producer.flush()
        return producer.acknowledged


def work_through(bootstrap: str, paths: StatePaths, positions: Positions, seconds: float) -> int:
    """Lets a worker process ingest all of it; returns the most memory it was seen to take."""
    worker = WorkerProcess(bootstrap, paths.root, "burdened", batch=10_000)
    most = 0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, worker.resident_bytes)

    try:
        worker.wait_ready()
        wait_until_ingested(bootstrap, "burdened", positions, seconds, look)
    finally:
        worker.stop()
    return most


@pytest.mark.faults
def test_a_user_with_a_hundred_thousand_events_has_a_history_of_bounded_size(
    bootstrap: str, paths: StatePaths
) -> None:
    """All are ingested and in the offline log; window, hashes, value and memory are bounded."""
    positions = pour(bootstrap, ["hot"], 100_000)
    assert work_through(bootstrap, paths, positions, 120) < RESIDENT_BYTES_MAX
    history = history_of(paths, "hot")
    assert history is not None
    assert STEPS_MAX - STEPS_EVICTED_TOGETHER < len(history.steps) <= STEPS_MAX
    assert len(history.steps) + history.steps_dropped == 100_000
    assert sum(total.steps for total in history.entity_totals.values()) == history.steps_dropped
    assert len(history.recent_event_hashes) == RECENT_EVENTS_MAX * 8
    assert len(pack(history)) < PACKED_BYTES_MAX
    assert len(OfflineLog(paths.offline).scan([])) == 100_000


@pytest.mark.faults
def test_more_users_than_are_held_cost_time_and_not_memory(
    bootstrap: str, paths: StatePaths
) -> None:
    """Twice: histories that were dropped are read again, and go on where they were."""
    users = [f"user-{n}" for n in range(40_000)]
    positions = pour(bootstrap, users, 80_000)
    assert work_through(bootstrap, paths, positions, 180) < RESIDENT_BYTES_MAX
    for user in users[::4_001]:
        history = history_of(paths, user)
        assert history is not None
        assert len(history.steps) == 2


def test_clocks_that_are_hours_off_are_refused_or_late(bootstrap: str, paths: StatePaths) -> None:
    """Two hours ahead is a dead letter; hours behind, and 1970, change sets and log, not steps."""
    now_ms = time.time_ns() // 1_000_000
    right = play("ann", "right", now_ms)
    ahead = play("ann", "ahead", now_ms + 2 * HOUR_MS)
    behind = play("ann", "behind", now_ms - 5 * HOUR_MS)
    first = play("ann", "first", 1)
    ingest(bootstrap, paths, send(bootstrap, [right, ahead, behind, first]))
    history = history_of(paths, "ann")
    assert history is not None
    assert [step.entity_id for step in history.steps] == ["right"]
    assert {row.token.entity_id for row in OfflineLog(paths.offline).read()} == {
        "right",
        "behind",
        "first",
    }
    [letter] = read_all(bootstrap, dead_letter(INTERACTIONS), 1)
    assert letter.headers["dlt_reason"] == b"IN_THE_FUTURE"
