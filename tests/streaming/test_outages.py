"""A broker or a store that is away is waited for, for a while: nothing is lost, nothing is refused.

Every test has its expected behaviour in its docstring; histories, logs and counts in the end are
those of a worker that nobody disturbed (`factories_lanes`).
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from eventlog.factories_eventlog import EXTERNAL
from factories import START_MS, play
from streaming.factories_lanes import assert_same, in_parallel, lanes_of, undisturbed
from streaming.factories_outages import outages, work_through
from streaming.factories_streaming import RunningWorker, config
from streaming.factories_worlds import World, feeding, seed_of_tests

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.errors import BrokerUnavailable
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.progress import wait_until_ingested

pytestmark = pytest.mark.skipif(bool(EXTERNAL), reason="stops the broker")

KINDS = [
    *("sqlite-online-locked", "sqlite-database-locked"),
    *("valkey-killed", "valkey-halted", "postgres-killed"),
]

CATCH_UP_S = 45.0
"""From the return of what was away until all that was sent before has been ingested: a pause
between two tries, a time limit of SQLite's, and five workers on two busy cores (25 s were seen)."""

StartWorker = Callable[[IngestConfig], RunningWorker]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(log=tmp_path / "broker.log") as running:
        ensure_topics(running.bootstrap_servers)
        yield running


def test_a_broker_that_hangs_for_seconds_costs_nothing_but_the_time(
    broker: EmbeddedBroker, paths: StatePaths, start_worker: StartWorker
) -> None:
    bootstrap, pid = broker.bootstrap_servers, broker.pid
    assert pid is not None
    settings = config(bootstrap, paths)
    start_worker(settings)
    with EventProducer(bootstrap) as producer:
        for i in range(100):
            producer.send(INTERACTIONS, "ann", play("ann", f"film-{i}", START_MS + i * 3_600_000))
            if i == 30:
                os.kill(pid, signal.SIGSTOP)
            if i == 60:
                # Longer than a session: the worker has lost its partitions by then.
                time.sleep(settings.session_timeout_ms / 1000 * 2)
                os.kill(pid, signal.SIGCONT)
        producer.flush()
        wait_until_ingested(bootstrap, settings.group, producer.acknowledged, 30)
    rows = OfflineLog(paths.offline).read()
    assert sorted({row.token.event_id for row in rows}) == sorted(
        play("ann", f"film-{i}", START_MS + i * 3_600_000).event_id for i in range(100)
    )


def test_a_broker_that_stays_away_ends_the_worker(
    broker: EmbeddedBroker, paths: StatePaths, start_worker: StartWorker
) -> None:
    worker = start_worker(config(broker.bootstrap_servers, paths, retry_seconds_max=0.5))
    broker.stop()
    with pytest.raises(BrokerUnavailable):
        worker.join()


def test_a_worker_waiting_for_a_broker_still_stops(
    broker: EmbeddedBroker, paths: StatePaths, start_worker: StartWorker
) -> None:
    worker = start_worker(config(broker.bootstrap_servers, paths))
    broker.stop()
    worker.stop.wait(1.5)
    worker.stop.set()
    worker.join(5)


@pytest.mark.faults
def test_a_store_that_is_away_for_seconds_costs_nothing_but_the_time(
    bootstrap: str, tmp_path: Path
) -> None:
    """Each kind of store goes away under load, and comes back with its data.

    The worker keeps running and commits nothing in the meantime. Afterwards it catches up within
    CATCH_UP_S. No event is a dead letter because a store was away.
    """
    survive(bootstrap, tmp_path, 3.0)


@pytest.mark.faults
def test_nor_does_one_that_is_away_for_a_minute(bootstrap: str, tmp_path: Path) -> None:
    """As above; a minute is longer than a session, SQLite's patience and most retries."""
    survive(bootstrap, tmp_path, 60.0)


def survive(bootstrap: str, tmp_path: Path, seconds: float) -> None:
    """All kinds at once, each in a group of its own: a minute is waited for once."""
    world = World(seed_of_tests())
    with outages(bootstrap, tmp_path, KINDS) as kinds:
        away = {lane.name: taken for lane, taken in kinds}
        lanes = [lane for lane, _ in kinds]
        with feeding(bootstrap, world, count=20, pause_s=0.5) as fed:
            took_s = in_parallel(
                lambda lane: work_through(lane, away[lane.name], seconds, lambda: fed.positions),
                lanes,
            )
        assert max(took_s) < CATCH_UP_S, dict(zip(away, took_s, strict=True))
        in_parallel(lambda lane: lane.catch_up(fed.positions), lanes)
        expected = undisturbed(bootstrap, tmp_path, fed.positions, world.users)
        for lane in lanes:
            assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}, {lane.name}")


@pytest.mark.faults
def test_a_broker_that_is_away_for_a_minute_costs_nothing_but_the_time(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """It answers nobody for a minute, with a producer in the middle of its work.

    The producer is told what was not acknowledged, and sends it again: twice in the log, perhaps,
    once in the histories. The worker outlives it, and has caught up soon after.
    """
    world = World(seed_of_tests())
    [lane] = lanes_of(broker.bootstrap_servers, tmp_path, ["lane"])
    with feeding(broker.bootstrap_servers, world, count=200) as fed:
        worker = lane.worker(batch=50)
        try:
            worker.wait_ready()
            lane.wait(fed.positions)
            with ThreadPoolExecutor(1) as producing:
                with halted(broker):
                    sent = producing.submit(fed.send_until_acknowledged, fed.make(50))
                    time.sleep(60.0)
                assert sent.result() > 1, "a producer is not patient for a minute"
            positions = fed.send(200)
            began_s = time.monotonic()
            lane.wait(positions)
            assert time.monotonic() - began_s < CATCH_UP_S
            assert worker.exitcode is None
            worker.stop()
        finally:
            worker.kill()
    expected = undisturbed(lane.bootstrap, tmp_path, positions, world.users)
    assert_same(lane.stored(world.users), expected, f"seed {seed_of_tests()}")


@contextmanager
def halted(broker: EmbeddedBroker) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)
