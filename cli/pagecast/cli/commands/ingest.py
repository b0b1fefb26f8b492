"""`pagecast ingest`: an ingest worker."""

from enum import StrEnum
from typing import Annotated

import typer

from pagecast.cli.options import BootstrapServers, DatabaseUrl, OnlineStoreUrl, ReadyFile, StateDir


class LogChange(StrEnum):
    """As `pagecast.streaming.config.OnLogChange`, which is imported only to run."""

    STOP = "stop"
    RESTART = "restart"


def ingest(
    group: Annotated[
        str | None, typer.Option(help="Consumer group.", show_default="pagecast-ingest")
    ] = None,
    on_log_change: Annotated[
        LogChange | None,
        typer.Option(
            help="When the topic was made anew: stop with an error, or restart the histories.",
            show_default="stop",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="Port of /metrics; 0 is a free one.", show_default="9465")
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    ready_file: ReadyFile = None,
) -> None:
    """Turns events into histories and changes into the catalog until Ctrl-C; several share it."""
    from pagecast.cli.database import check_database
    from pagecast.cli.discovery import bootstrap_servers as find_broker
    from pagecast.cli.exits import CommandError, NotRunningError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.ready import announce
    from pagecast.eventlog.errors import BrokerUnavailable
    from pagecast.featurestore.online.store_errors import OnlineStoreRefused
    from pagecast.featurestore.state import StatePaths
    from pagecast.streaming.config import IngestConfig, OnLogChange
    from pagecast.streaming.ingest import IngestReady, LogReplaced, PortTakenError, run_worker

    section = {"group": group, "on_log_change": on_log_change, "metrics_port": metrics_port}
    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        bootstrap_servers=bootstrap_servers,
        ingest=section,
    )
    configure_logging(settings)
    config = IngestConfig(
        bootstrap_servers=find_broker(settings),
        paths=StatePaths(root=settings.state_dir).create(),
        database_url=settings.database_url,
        online_store_url=settings.online_store_url,
        group=settings.ingest.group,
        on_log_change=OnLogChange(settings.ingest.on_log_change),
        fold=settings.fold.config(),
        triggers=settings.triggers.config(),
        metrics_port=settings.ingest.metrics_port,
    )

    def ready(worker: IngestReady) -> None:
        announce(ready_file, {"metrics_port": worker.metrics_port})

    check_database(settings)
    try:
        run_worker(config, ready)
    except (LogReplaced, PortTakenError, OnlineStoreRefused) as error:
        raise CommandError(str(error)) from error
    except BrokerUnavailable as error:
        raise NotRunningError(str(error)) from error
