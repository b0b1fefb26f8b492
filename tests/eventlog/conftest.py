from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as bootstrap_servers:
        yield bootstrap_servers
