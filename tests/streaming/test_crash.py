"""Kill a worker anywhere: no step is lost, none is doubled. Late writers are refused."""

import os
import random
import time
from pathlib import Path

import pytest
from factories import START_MS, play, rate
from streaming.factories_streaming import Positions, Stored, ingest, send, stored
from streaming.worker_process import WorkerProcess

from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.progress import NotIngestedInTime, wait_until_ingested
from pagecast.v1 import events_pb2

USERS = [f"user-{i}" for i in range(12)]
PLACES = ("counted", "online", "offline", "committed")
HOUR_MS = 3_600_000


def stream(seed: int, events: int) -> list[events_pb2.InteractionEvent]:
    """Numbered events of a few users: plays, ratings, producers' retries, some of them late."""
    rng = random.Random(seed)
    made: list[events_pb2.InteractionEvent] = []
    for i in range(events):
        user, film = rng.choice(USERS), f"film-{rng.randrange(20)}"
        at_ms = START_MS + i * 60_000 - rng.choice((0, 0, 0, 300_000, 50 * HOUR_MS))
        if made and rng.random() < 0.1:
            made.append(rng.choice(made[-20:]))
        elif rng.random() < 0.5:
            made.append(play(user, film, at_ms, session_id=f"s{i // 30}"))
        else:
            made.append(rate(user, film, rng.randrange(11) / 2, at_ms))
    return made


def undisturbed(bootstrap: str, tmp_path: Path, positions: Positions) -> Stored:
    """What a worker writes that nobody disturbs, from the same log."""
    paths = StatePaths(root=tmp_path / "undisturbed")
    ingest(bootstrap, paths, positions, group="undisturbed")
    return stored(paths, USERS)


def finish(bootstrap: str, paths: StatePaths, positions: Positions) -> Stored:
    worker = WorkerProcess(bootstrap, paths.root, "disturbed")
    try:
        wait_until_ingested(bootstrap, "disturbed", positions, 60)
    finally:
        worker.stop()
    return stored(paths, USERS)


def test_the_verifier_sees_a_lost_and_a_doubled_event(bootstrap: str, tmp_path: Path) -> None:
    events = stream(0, 40)
    positions = send(bootstrap, events)
    expected = undisturbed(bootstrap, tmp_path, positions)
    assert {(p, o) for _, p, o, _ in expected.offline} == {
        (partition, offset)
        for (topic, partition), end in positions.items()
        if topic == INTERACTIONS
        for offset in range(end)
    }
    assert len(expected.offline) == len(events)


@pytest.mark.parametrize("place", ["online", "offline"])
def test_a_worker_killed_between_its_writes_loses_and_doubles_nothing(
    place: str, bootstrap: str, tmp_path: Path, paths: StatePaths
) -> None:
    positions = send(bootstrap, stream(1, 150))
    worker = WorkerProcess(bootstrap, paths.root, "disturbed", failpoint=f"{place}:2:SIGKILL")
    worker.wait_killed()
    begin = time.monotonic()
    assert finish(bootstrap, paths, positions) == undisturbed(bootstrap, tmp_path, positions)
    assert time.monotonic() - begin < 30


def test_a_worker_that_wakes_up_late_is_refused_and_goes_on(
    bootstrap: str, tmp_path: Path, paths: StatePaths
) -> None:
    positions = send(bootstrap, stream(2, 150))
    late = WorkerProcess(bootstrap, paths.root, "disturbed", failpoint="counted:2:SIGSTOP")
    late.wait_stopped()
    other = WorkerProcess(bootstrap, paths.root, "disturbed")
    try:
        # It takes over when the session of the stopped one has ended.
        wait_until_ingested(bootstrap, "disturbed", positions, 60)
        late.go_on()
        more = send(bootstrap, stream(3, 50))
        wait_until_ingested(bootstrap, "disturbed", more, 60)
        assert "histories refused" in late.log.read_text()
        late.stop()
    finally:
        late.kill()
        other.stop()
    everything = {**positions, **more}
    assert stored(paths, USERS) == undisturbed(bootstrap, tmp_path, everything)


def test_two_workers_share_the_work(bootstrap: str, tmp_path: Path, paths: StatePaths) -> None:
    first = WorkerProcess(bootstrap, paths.root, "disturbed")
    first.wait_ready()
    positions = send(bootstrap, stream(4, 100))
    second = WorkerProcess(bootstrap, paths.root, "disturbed")
    try:
        second.wait_ready()
        positions.update(send(bootstrap, stream(5, 100)))
        wait_until_ingested(bootstrap, "disturbed", positions, 60)
    finally:
        first.stop()
        second.stop()
    assert stored(paths, USERS) == undisturbed(bootstrap, tmp_path, positions)


@pytest.mark.faults
def test_killed_at_two_hundred_points(bootstrap: str, tmp_path: Path, paths: StatePaths) -> None:
    """PAGECAST_TEST_SEED chooses the points; the message of a failure names it."""
    seed = int(os.environ.get("PAGECAST_TEST_SEED", "1"))
    rng = random.Random(seed)
    positions: Positions = {}
    sent = 0
    for _ in range(200):
        positions.update(send(bootstrap, stream(rng.randrange(2**32), 40)))
        sent += 40
        place, count = rng.choice(PLACES), rng.randrange(1, 4)
        worker = WorkerProcess(
            bootstrap, paths.root, "disturbed", failpoint=f"{place}:{count}:SIGKILL", batch=10
        )
        try:
            wait_until_ingested(bootstrap, "disturbed", positions, rng.uniform(0.5, 4.0))
        except NotIngestedInTime:
            pass
        finally:
            worker.kill()
    disturbed = finish(bootstrap, paths, positions)
    assert disturbed == undisturbed(bootstrap, tmp_path, positions), f"seed {seed}"
    assert len(disturbed.offline) == sent
