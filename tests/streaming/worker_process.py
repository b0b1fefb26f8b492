"""What `WorkerProcess` runs: an ingest worker until SIGTERM."""

import sys
from pathlib import Path

from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig, OnLogChange
from pagecast.streaming.ingest import run_worker

bootstrap, root, group, on_log_change, session_timeout_ms, ready = sys.argv[1:]
ready_file = Path(ready)
run_worker(
    IngestConfig(
        bootstrap_servers=bootstrap,
        paths=StatePaths(root=Path(root)),
        group=group,
        on_log_change=OnLogChange(on_log_change),
        session_timeout_ms=int(session_timeout_ms),
        offline_flush_ms=50,
        batch_records_max=50,
    ),
    lambda _: ready_file.touch(),
)
