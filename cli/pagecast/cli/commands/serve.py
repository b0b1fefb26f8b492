"""`pagecast serve`: the gRPC server."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import BootstrapServers, DatabaseUrl, OnlineStoreUrl, ReadyFile, StateDir

if TYPE_CHECKING:
    from pagecast.cli.settings import Settings
    from pagecast.server.config import ServerConfig


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the RPCs; 0 is a free one.", show_default="50051")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port of /metrics; 0 is a free one.", show_default="9464")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Listen beyond loopback, without authentication."),
    ] = None,
    allow_client_clock: Annotated[
        bool | None,
        typer.Option("--allow-client-clock", help="Let clients say what time it is."),
    ] = None,
    decode_weights: Annotated[
        str | None, typer.Option(help="fp32, or int8 for faster steps.", show_default="fp32")
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    ready_file: ReadyFile = None,
) -> None:
    """Serves pages, histories and models over gRPC until Ctrl-C."""
    from pagecast.cli.exits import CommandError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.ready import announce
    from pagecast.featurestore.store_errors import OnlineStoreRefused
    from pagecast.server.app import Listening
    from pagecast.server.main import run

    section = {
        "host": host,
        "port": port,
        "metrics_port": metrics_port,
        "insecure": insecure,
        "allow_client_clock": allow_client_clock,
        "decode_weights": decode_weights,
    }
    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        bootstrap_servers=bootstrap_servers,
        serve=section,
    )
    configure_logging(settings)

    def ready(listening: Listening) -> None:
        facts = {"address": listening.target, "metrics_port": listening.metrics_port}
        announce(ready_file, facts)

    try:
        run(_server_config(settings), ready)
    except OnlineStoreRefused as error:
        raise CommandError(str(error)) from error


def _server_config(settings: "Settings") -> "ServerConfig":
    """Raises InputError."""
    from pagecast.cli.discovery import bootstrap_servers_or_none
    from pagecast.cli.exits import InputError
    from pagecast.featurestore.state import StatePaths
    from pagecast.server.config import ServerConfig

    try:
        return ServerConfig(
            state=StatePaths(root=settings.state_dir).create(),
            database_url=settings.database_url or "",
            online_store_url=settings.online_store_url or "",
            bootstrap_servers=bootstrap_servers_or_none(settings) or "",
            continuation_key=key.get_secret_value() if (key := settings.continuation_key) else "",
            fold=settings.fold.config(),
            **settings.serve.model_dump(),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
