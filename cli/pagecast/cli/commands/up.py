"""`pagecast up`: the whole local stack in the foreground."""

import time
from typing import Annotated

import typer

from pagecast.cli.options import (
    AsJson,
    BootstrapServers,
    DatabaseUrl,
    OnlineStoreUrl,
    StateDir,
    Workers,
)

CHECK_SECONDS = 0.25
"""Time between two checks for processes that have ended."""


def up(
    port: Annotated[
        int | None, typer.Option(help="Port of the server.", show_default="a free one")
    ] = None,
    workers: Workers = None,
    allow_client_clock: Annotated[
        bool, typer.Option("--allow-client-clock", help="Let clients say what time it is.")
    ] = False,
    trainer: Annotated[
        bool, typer.Option(help="Run the trainings that are asked for, too.")
    ] = True,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Runs broker, ingest worker, server and trainer until Ctrl-C; stops them all."""
    from dataclasses import asdict

    from pagecast.cli.discovery import bootstrap_servers_of_a_stack
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.local import (
        ANY_PORT,
        TRAINER_NICE,
        TRAINER_THREADS,
        LocalStack,
        StackConfig,
    )
    from pagecast.featurestore.state import StatePaths

    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        bootstrap_servers=bootstrap_servers,
    )
    configure_logging(settings, level="warning")
    output = Output(as_json=as_json)
    config = StackConfig(
        paths=StatePaths(root=settings.state_dir),
        bootstrap_servers=bootstrap_servers_of_a_stack(settings),
        database_url=settings.database_url,
        online_store_url=settings.online_store_url,
        server_port=ANY_PORT if port is None else port,
        workers=workers,
        allow_client_clock=allow_client_clock,
        trainer_threads=settings.trainer.threads or TRAINER_THREADS,
        trainer_nice=TRAINER_NICE if settings.trainer.nice is None else settings.trainer.nice,
    )
    with LocalStack(config=config) as stack:
        output.say(f"broker   {stack.start_broker()}")
        output.say(f"server   {stack.start_services(trainer=trainer)}")
        if trainer:
            output.say("trainer  runs what `pagecast trainings start` and the triggers ask for")
        output.say(f"logs     {config.paths.logs}")
        output.say("Ctrl-C stops everything.")
        output.document(asdict(stack.record))
        while True:
            stack.check()
            time.sleep(CHECK_SECONDS)
