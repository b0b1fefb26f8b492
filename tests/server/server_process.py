"""A server as a process of its own: `python server_process.py STATE_DIR`; prints its address."""

import sys
from pathlib import Path

from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.main import run
from pagecast.server.rpc.listening import Listening


def ready(listening: Listening) -> None:
    sys.stderr.write(f"ready {listening.target} {listening.metrics_port}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    state = StatePaths(root=Path(sys.argv[1]))
    config = ServerConfig(state=state, port=0, metrics_port=0, waiting_max=200, grace_seconds=60.0)
    run(config, ready)
