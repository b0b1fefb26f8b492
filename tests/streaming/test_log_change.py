"""A recreated topic is never taken for the old one."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eventlog.factories_eventlog import EXTERNAL
from factories import START_MS, free_port, play
from streaming.factories_lanes import Lane
from streaming.factories_recount import recount
from streaming.factories_streaming import (
    RunningWorker,
    config,
    history_of,
    ingest,
    ingesting,
    send,
)
from streaming.factories_worlds import World, feeding, seed_of_tests
from streaming.worker_process import WorkerProcess

from pagecast.eventlog.admin import ensure_topics, topic_ids
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig, OnLogChange
from pagecast.streaming.ingest import LogReplaced
from pagecast.streaming.progress import wait_until_ingested

pytestmark = pytest.mark.skipif(bool(EXTERNAL), reason="restarts the broker")

RESTART = OnLogChange.RESTART

StartWorker = Callable[[IngestConfig], RunningWorker]


@contextmanager
def broker_on(port: int, log: Path) -> Iterator[str]:
    with EmbeddedBroker(port, log=log) as broker:
        ensure_topics(broker.bootstrap_servers)
        yield broker.bootstrap_servers


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "broker.log"


def test_a_worker_that_starts_stops_by_default(
    paths: StatePaths, log: Path, start_worker: StartWorker
) -> None:
    port = free_port()
    with broker_on(port, log) as bootstrap:
        ingest(bootstrap, paths, send(bootstrap, [play("ann", "old")]))
        old_id = topic_ids(bootstrap)[INTERACTIONS]
    with broker_on(port, log) as bootstrap:
        send(bootstrap, [play("ann", "new", START_MS + 1)])
        worker = start_worker(config(bootstrap, paths))
        with pytest.raises(LogReplaced, match=f"{old_id}.*made anew.*on_log_change"):
            worker.join()
    history = history_of(paths, "ann")
    assert history is not None
    assert [s.entity_id for s in history.steps] == ["old"]


def test_a_worker_that_runs_notices_too(
    paths: StatePaths, log: Path, start_worker: StartWorker
) -> None:
    port = free_port()
    with broker_on(port, log) as bootstrap:
        worker = start_worker(config(bootstrap, paths))
        wait_until_ingested(bootstrap, "pagecast-ingest", send(bootstrap, [play("ann", "old")]), 20)
    with broker_on(port, log) as bootstrap:
        send(bootstrap, [play("ann", "new", START_MS + 1)])
        with pytest.raises(LogReplaced):
            worker.join()


def test_told_to_restart_it_begins_the_histories_of_the_new_log_anew(
    paths: StatePaths, log: Path
) -> None:
    port = free_port()
    with broker_on(port, log) as bootstrap:
        events = [play(u, f"old-{i}", START_MS + i) for i in range(5) for u in ("ann", "bob")]
        ingest(bootstrap, paths, send(bootstrap, events))
    with broker_on(port, log) as bootstrap:
        with ingesting(bootstrap, paths, on_log_change=RESTART):
            # Fewer than before: by offset alone they would look like old ones.
            positions = send(bootstrap, [play("ann", "new", START_MS + 99)])
            wait_until_ingested(bootstrap, "pagecast-ingest", positions, 20)
        # The new log is the known one now: nothing has to be allowed any more.
        more = send(bootstrap, [play("ann", "newer", START_MS + 10**8)])
        ingest(bootstrap, paths, {**positions, **more})
        new_id = topic_ids(bootstrap)[INTERACTIONS]
    ann, bob = history_of(paths, "ann"), history_of(paths, "bob")
    assert ann is not None
    assert bob is not None
    assert [s.entity_id for s in ann.steps] == ["new", "newer"]
    assert ann.version is not None
    assert ann.version.topic_id == new_id
    # Nothing has happened to bob in the new log.
    assert [s.entity_id for s in bob.steps] == [f"old-{i}" for i in range(5)]
    assert len(OfflineLog(paths.offline).read()) == 12


def test_a_worker_that_runs_goes_on_with_the_new_log_if_told_to(
    paths: StatePaths, log: Path, start_worker: StartWorker
) -> None:
    port = free_port()
    with broker_on(port, log) as bootstrap:
        worker = start_worker(config(bootstrap, paths, on_log_change=RESTART))
        wait_until_ingested(bootstrap, "pagecast-ingest", send(bootstrap, [play("ann", "old")]), 20)
    with broker_on(port, log) as bootstrap:
        positions = send(bootstrap, [play("ann", "new", START_MS + 1)])
        wait_until_ingested(bootstrap, "pagecast-ingest", positions, 20)
        worker.stop.set()
        worker.join()
    history = history_of(paths, "ann")
    assert history is not None
    assert [s.entity_id for s in history.steps] == ["new"]


def test_a_worker_process_ends_with_an_error_that_names_the_remedy(
    paths: StatePaths, log: Path
) -> None:
    port = free_port()
    with broker_on(port, log) as bootstrap:
        worker = WorkerProcess(bootstrap, paths.root, "group")
        wait_until_ingested(bootstrap, "group", send(bootstrap, [play("ann", "old")]), 20)
    with broker_on(port, log) as bootstrap:
        positions = send(bootstrap, [play("ann", "new", START_MS + 1)])
        assert "set on_log_change to restart" in worker.wait_failed()
        # Whoever supervises it may start it as often as he likes.
        again = WorkerProcess(bootstrap, paths.root, "group")
        assert "set on_log_change to restart" in again.wait_failed()
        told = WorkerProcess(bootstrap, paths.root, "group", on_log_change=RESTART)
        wait_until_ingested(bootstrap, "group", positions, 20)
        told.stop()
    history = history_of(paths, "ann")
    assert history is not None
    assert [s.entity_id for s in history.steps] == ["new"]


@pytest.mark.faults
def test_a_broker_that_forgets_again_and_again(tmp_path: Path, log: Path) -> None:
    """One worker, told to restart, and eight brokers one after the other on the same port.

    Every second one is stopped in the middle of the work, and what nobody has read by then is gone
    with it. Of the others every record has its effect, as counted from the log: nothing is
    skipped because an offset was seen before. The worker is killed once, too.
    """
    seed, port = seed_of_tests(), free_port()
    rng, world = random.Random(seed), World(seed, forgetting=False)
    lane = Lane(
        bootstrap=f"127.0.0.1:{port}",
        name="lane",
        root=tmp_path,
        changes={"on_log_change": RESTART},
    )
    worker: WorkerProcess | None = None
    for number in range(8):
        with broker_on(port, log), feeding(lane.bootstrap, world, count=150) as fed:
            worker = worker or lane.worker(batch=20)
            if number % 2:
                time.sleep(rng.uniform(0.0, 3.0))
                continue
            lane.wait(fed.positions)
            counted = recount(lane.bootstrap, fed.positions)
            topic_id = topic_ids(lane.bootstrap)[INTERACTIONS]
        stored = lane.stored(world.users)
        rows = {row[:3]: row[3] for row in stored.offline if row[0] == topic_id}
        assert rows == counted.offline, f"seed {seed}, broker {number}"
        versions = {user: (at.topic_id, at.next_offset) for user, at in stored.versions.items()}
        for user, next_offset in counted.next_offsets.items():
            assert versions[user] == (topic_id, next_offset), f"seed {seed}, broker {number}"
        if number == 4:
            worker.kill()
            worker = None
    assert worker is not None
    worker.stop()
