"""`pagecast ingest` says what prevents it from starting."""

import socket
from pathlib import Path

from cli.factories_cli import pagecast

from pagecast.cli.exits import ExitCode


def test_a_metrics_port_that_is_taken_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = pagecast(
            *("ingest", "--metrics-port", str(port), "--bootstrap-servers", "127.0.0.1:1"),
            cwd=tmp_path,
        )
    assert done.returncode == ExitCode.FAILED
    assert f"metrics_port {port} is taken: choose another, or 0 for a free one" in done.stderr
