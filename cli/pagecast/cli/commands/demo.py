"""`pagecast demo`: the whole system, on real data."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.commands.up import CHECK_SECONDS
from pagecast.cli.options import AsJson, BootstrapServers, OnlineStoreUrl, StateDir, Workers

if TYPE_CHECKING:
    from pagecast.cli.output import Output

DEMO_FOLDER = "demo"
"""Inside the state directory: a demo never touches what is yours."""


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack up in the end, until Ctrl-C.")
    ] = False,
    budget_minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="The training loop stops here.", show_default="the trainer's"),
    ] = None,
    with_simulator: Annotated[
        bool,
        typer.Option(
            "--with-simulator",
            help="Then simulated members visit, and an experiment's lift builds up; two minutes.",
        ),
    ] = False,
    workers: Workers = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    online_store_url: OnlineStoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Real data, a real broker, a real model: pages change because an event arrived."""
    from pagecast.cli.demo.run import DemoConfig, run_demo
    from pagecast.cli.demo.simulated import run_simulated
    from pagecast.cli.discovery import bootstrap_servers_of_a_stack
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.cli.stack.local import LocalStack, StackConfig
    from pagecast.featurestore.state import StatePaths

    settings = load_settings(
        state_dir=state_dir,
        bootstrap_servers=bootstrap_servers,
        # Never those of the file or the environment: the demo would write its people beside yours.
        online_store_url=online_store_url or "",
        train={"budget_minutes": budget_minutes},
    )
    configure_logging(settings, level="error")
    output = Output(as_json=as_json)
    config = DemoConfig(
        data_folder=StatePaths(root=settings.state_dir).data / "ml-100k" / "source",
        group=settings.ingest.group,
        budget_minutes=settings.train.budget_minutes,
    )
    stack_config = StackConfig(
        paths=StatePaths(root=settings.state_dir / DEMO_FOLDER),
        bootstrap_servers=bootstrap_servers_of_a_stack(settings),
        online_store_url=settings.online_store_url,
        workers=workers,
        allow_client_clock=True,
        # The demo asks for its training itself, and shows no other.
        triggers=False,
        fresh=True,
    )
    with LocalStack(config=stack_config) as stack:
        document = run_demo(stack, config, output.console).to_dict()
        if with_simulator:
            document["simulated"] = run_simulated(stack, config.data_folder, output.console)
        output.document(document)
        if keep:
            _tell_how_to_talk(output, stack.record.server_address, stack_config.paths.root)
            while True:
                stack.check()
                time.sleep(CHECK_SECONDS)


def _tell_how_to_talk(output: "Output", address: str, state_dir: Path) -> None:
    body = '{"user_id": "405", "rows": 3}'
    output.say(("\nThe stack stays up until Ctrl-C.", "bold"), " In another terminal:")
    for command in (
        f"pagecast page 405 --state-dir {state_dir}",
        f"pagecast history 405 --state-dir {state_dir}",
        "buf curl --protocol grpc --http2-prior-knowledge "
        f"--data '{body}' http://{address}/pagecast.v1.HomepageService/StreamHomepage",
    ):
        output.console.print(f"  {command}", markup=False, soft_wrap=True)
