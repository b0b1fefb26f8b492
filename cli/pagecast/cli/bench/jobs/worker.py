"""The real ingest worker, `run_worker`, in a process of its own."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import structlog

from pagecast.cli.stack.ready import announce
from pagecast.eventlog.clients import KafkaClient
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.ingest import IngestReady, run_worker


def config_of(settings: dict[str, Any]) -> IngestConfig:
    """`paths` is the state directory's root; the rest are fields of `IngestConfig`."""
    fields = {name: value for name, value in settings.items() if name != "ready_file"}
    fields["paths"] = StatePaths(root=Path(settings["paths"])).create()
    fields["kafka_client"] = KafkaClient(settings["kafka_client"])
    return IngestConfig(**fields)


def main() -> None:
    """Runs until SIGTERM; writes `ready_file` with the port of its metrics when it has joined."""
    settings = json.loads(sys.argv[1])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

    def ready(worker: IngestReady) -> None:
        announce(Path(settings["ready_file"]), {"metrics_port": worker.metrics_port})

    run_worker(config_of(settings), ready)


if __name__ == "__main__":
    main()
