"""`pagecast serve`: the gRPC server."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import (
    BootstrapServers,
    DatabaseUrl,
    OnlineStoreUrl,
    ReadyFile,
    StateDir,
    Workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pagecast.cli.settings import Settings
    from pagecast.server.config import ServerConfig
    from pagecast.server.rpc.listening import Listening


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
    provider: Annotated[
        str | None, typer.Option(help="What runs the model: cpu or cuda.", show_default="cpu")
    ] = None,
    provider_fallback: Annotated[
        bool | None,
        typer.Option("--provider-fallback", help="Go on with the CPU where it does not run."),
    ] = None,
    workers: Workers = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    ready_file: ReadyFile = None,
) -> None:
    """Serves pages, histories and models over gRPC until Ctrl-C."""
    from pagecast.cli.database import check_database
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.ready import announce
    from pagecast.server.rpc.listening import Listening

    section = {
        "host": host,
        "port": port,
        "metrics_port": metrics_port,
        "insecure": insecure,
        "allow_client_clock": allow_client_clock,
        "decode_weights": decode_weights,
        "provider": provider,
        "provider_fallback": provider_fallback,
        "workers": workers,
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

    config = _server_config(settings)
    check_database(settings)
    if settings.serve.workers == 1:
        _run_here(config, ready)
    else:
        _run_workers(settings, config, ready)


def serve_worker(
    log_level: Annotated[str, typer.Option()], log_format: Annotated[str, typer.Option()]
) -> None:
    """One worker of `pagecast serve --workers`; only its supervisor starts it."""
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.settings import Settings
    from pagecast.server.workers.orders import WorkerOrders

    try:
        orders = WorkerOrders.take()
    except LookupError as error:
        raise InputError("a worker has no orders", "start `pagecast serve --workers N`") from error
    # The file and the environment may have changed since the server was started.
    logging = Settings.model_construct(log_level=log_level, log_format=log_format)
    configure_logging(logging, facts={"worker": orders.number})
    _run_here(orders.config, orders.ready)


def _run_here(config: "ServerConfig", ready: "Callable[[Listening], None]") -> None:
    from pagecast.cli.exits import CommandError
    from pagecast.engine.providers import ProviderMissingError
    from pagecast.featurestore.online.store_errors import OnlineStoreRefused
    from pagecast.server.main import run
    from pagecast.server.rpc.listening import PortTakenError

    try:
        run(config, ready)
    except (OnlineStoreRefused, PortTakenError, ProviderMissingError) as error:
        raise CommandError(str(error)) from error


def _run_workers(
    settings: "Settings", config: "ServerConfig", ready: "Callable[[Listening], None]"
) -> None:
    """Raises InputError and CommandError."""
    import sys

    from pagecast.cli.exits import CommandError, InputError
    from pagecast.server.rpc.listening import PortTakenError
    from pagecast.server.workers.config import WorkersConfig
    from pagecast.server.workers.supervisor import WorkersFailed, run_workers

    logging = ["--log-level", settings.log_level, "--log-format", settings.log_format]
    try:
        workers = WorkersConfig(
            server=config,
            workers=settings.serve.workers,
            command=[sys.executable, "-m", "pagecast.cli", "serve-worker", *logging],
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    try:
        run_workers(workers, ready)
    except (PortTakenError, WorkersFailed) as error:
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
            rewards=settings.rewards(),
            **settings.serve.model_dump(exclude={"workers"}),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
