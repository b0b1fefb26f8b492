from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log
from streaming.factories_streaming import RunningWorker

from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(root=tmp_path / "state")


@pytest.fixture
def start_worker() -> Iterator[Callable[[IngestConfig], RunningWorker]]:
    """Starts workers that have joined their group, and stops those that still run in the end."""
    workers: list[RunningWorker] = []

    def start(config: IngestConfig) -> RunningWorker:
        workers.append(RunningWorker(config))
        assert workers[-1].ready.wait(60)
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop.set()
        worker.wait_ended()
