"""The server that is measured, in a process of its own."""

import json
import sys
from pathlib import Path

from pagecast.cli.stack.ready import announce
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.main import run
from pagecast.server.rpc.listening import Listening
from pagecast.server.workers.config import WorkersConfig
from pagecast.server.workers.supervisor import run_workers

WORKER = (
    *(sys.executable, "-X", "utf8", "-m", "pagecast.cli", "serve-worker"),
    *("--log-level", "error", "--log-format", "console"),
)


def main() -> None:
    """Serves until SIGTERM. Settings: state, ready_file; workers, if there are to be several; the
    others are fields of ServerConfig."""
    settings = json.loads(sys.argv[1])
    ready_file, workers = Path(settings.pop("ready_file")), settings.pop("workers", 1)
    state = StatePaths(root=Path(settings.pop("state")))
    config = ServerConfig(state=state, port=0, metrics_port=0, allow_client_clock=True, **settings)

    def ready(listening: Listening) -> None:
        facts = {"address": listening.target, "metrics_port": listening.metrics_port}
        announce(ready_file, facts)

    if workers == 1:
        run(config, ready)
    else:
        run_workers(WorkersConfig(server=config, workers=workers, command=WORKER), ready)


if __name__ == "__main__":
    main()
