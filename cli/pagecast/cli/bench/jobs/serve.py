"""The server that is measured, in a process of its own."""

import json
import sys
from pathlib import Path

from pagecast.cli.stack.ready import announce
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.listening import Listening
from pagecast.server.main import run


def main() -> None:
    """Serves until SIGTERM. Settings: state, ready_file; the others are fields of ServerConfig."""
    settings = json.loads(sys.argv[1])
    ready_file = Path(settings.pop("ready_file"))
    state = StatePaths(root=Path(settings.pop("state")))
    config = ServerConfig(state=state, port=0, metrics_port=0, allow_client_clock=True, **settings)

    def ready(listening: Listening) -> None:
        facts = {"address": listening.target, "metrics_port": listening.metrics_port}
        announce(ready_file, facts)

    run(config, ready)


if __name__ == "__main__":
    main()
