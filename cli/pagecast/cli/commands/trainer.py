"""`pagecast trainer`: claims trainings and runs them."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import BootstrapServers, DatabaseUrl, OnlineStoreUrl, ReadyFile, StateDir

if TYPE_CHECKING:
    from pagecast.cli.settings import Settings
    from pagecast.trainer.service.supervisor import SupervisorConfig


def trainer(
    at_once_max: Annotated[
        int | None, typer.Option(help="Trainings run at the same time.", show_default="1")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads of a training.", show_default="the trainer's")
    ] = None,
    nice: Annotated[
        int | None,
        typer.Option(help="Niceness of a training: 19 takes what is left.", show_default="0"),
    ] = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    ready_file: ReadyFile = None,
) -> None:
    """Runs the trainings that were asked for, each in a process of its own, until Ctrl-C.

    They are asked for by `pagecast trainings start`, by TrainingService, and by the triggers of
    ingest. Several trainers share the work; if one dies, another goes on with its training.
    """
    import signal
    import threading
    from contextlib import ExitStack

    from pagecast.cli.database import open_database
    from pagecast.cli.discovery import bootstrap_servers_or_none
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.ready import announce
    from pagecast.featurestore.trainings.claims import TrainingClaims
    from pagecast.featurestore.trainings.trainings import Trainings
    from pagecast.trainer.service.requested import RequestReader
    from pagecast.trainer.service.supervisor import Supervisor

    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        bootstrap_servers=bootstrap_servers,
        trainer={"at_once_max": at_once_max, "threads": threads, "nice": nice},
    )
    configure_logging(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as exits:
        engine = exits.enter_context(open_database(settings))
        supervisor = Supervisor(TrainingClaims(engine), _config(settings))
        servers = bootstrap_servers_or_none(settings)
        if servers is not None:
            reader = RequestReader(servers, Trainings(engine))
            exits.callback(reader.stop)
        announce(ready_file, {"holder": supervisor.holder})
        supervisor.run(stop)


def _config(settings: "Settings") -> "SupervisorConfig":
    import sys

    from pagecast.cli.exits import InputError
    from pagecast.featurestore.state import StatePaths
    from pagecast.featurestore.trainings.records import Claim
    from pagecast.trainer.service.supervisor import SupervisorConfig

    # Passed on even if empty, or the environment and pagecast.toml would decide.
    unset = [] if settings.database_url else ["--database-url", ""]
    unset += [] if settings.online_store_url else ["--online-store-url", ""]

    def command(claim: Claim) -> list[str]:
        run = ["trainings", "run", str(claim.id), "--attempt", str(claim.attempt)]
        return [sys.executable, "-m", "pagecast.cli", *run, *unset]

    environment = {"PAGECAST_STATE_DIR": str(settings.state_dir.absolute())}
    for name in ("threads", "nice"):
        if (value := getattr(settings.trainer, name)) is not None:
            environment[f"PAGECAST_TRAINER__{name.upper()}"] = str(value)
    # These may hold passwords, and everybody can read a command line.
    if settings.database_url:
        environment["PAGECAST_DATABASE_URL"] = settings.database_url
    if settings.online_store_url:
        environment["PAGECAST_ONLINE_STORE_URL"] = settings.online_store_url
    try:
        return SupervisorConfig(
            command=command,
            environment=environment,
            logs=StatePaths(root=settings.state_dir).logs,
            at_once_max=settings.trainer.at_once_max,
            lease_s=settings.trainer.lease_seconds,
        )
    except ValueError as error:
        raise InputError(f"setting 'trainer': {error}") from error
