from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log

from pagecast.featurestore.state import StatePaths


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(root=tmp_path / "state")
