"""`pagecast simulate`: simulated members visit the platform."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, BootstrapServers, ServerAddress, StateDir


def simulate(
    members: Annotated[int, typer.Option(min=1, help="Members who visit.")] = 100,
    days: Annotated[int, typer.Option(min=1, help="Days they do.")] = 7,
    speed: Annotated[
        float, typer.Option(min=0, help="Simulated seconds in a real one; 0 is as fast as it goes.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same traffic.")] = 0,
    start: Annotated[
        str,
        typer.Option(
            help="The first day, such as 2026-01-05; also part of what is repeated.",
            show_default="so that all is over",
        ),
    ] = "",
    data: Annotated[
        str,
        typer.Option(help="Whose tastes: ml-100k, ml-1m, or a folder in the interchange format."),
    ] = "ml-100k",
    reward: Annotated[
        Path | None,
        typer.Option(help="What outcomes are worth here: a JSON object.", show_default="[reward]"),
    ] = None,
    prefix: Annotated[str, typer.Option(help="Begins the ids of members and premieres.")] = "sim",
    readers: Annotated[int, typer.Option(min=1, help="Members in a session at once.")] = 2,
    reaction_members: Annotated[
        int,
        typer.Option(min=0, help="Members whose pages are compared with a twin's in the end."),
    ] = 20,
    server: ServerAddress = None,
    bootstrap_servers: BootstrapServers = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Simulated members ask for pages, look, choose, watch, return and leave.

    Needs a server with --allow-client-clock and the data's catalog. docs/alignment.md says what a
    simulator can show, and what it cannot.
    """
    from pagecast.cli.simulation.command import SimulateCommand

    SimulateCommand(
        members=members,
        days=days,
        speed=speed,
        seed=seed,
        start=start,
        data=data,
        reward=reward,
        prefix=prefix,
        readers=readers,
        reaction_members=reaction_members,
        server=server,
        bootstrap_servers=bootstrap_servers,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
