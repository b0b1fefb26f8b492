"""A broker that is away is waited for, for a while."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import EXTERNAL
from factories import START_MS, play
from streaming.factories_streaming import RunningWorker, config

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
