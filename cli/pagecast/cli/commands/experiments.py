"""`pagecast experiments`: arms of the traffic, and what each is worth (docs/experiments.md)."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, StateDir

app = typer.Typer(
    no_args_is_help=True, help="Experiments: models side by side, and which one is better."
)

Name = Annotated[str, typer.Argument(help="The experiment.")]


@app.command()
def start(
    name: Annotated[str, typer.Argument(help="A name that was never used: small letters, digits.")],
    arm: Annotated[
        list[str],
        typer.Option(help="ALIAS=SHARE of all users, at least twice: champion=0.5, rival=0.5."),
    ],
    control: Annotated[
        str, typer.Option(help="The arm to compare with.", show_default="champion, or the first")
    ] = "",
    outcome_hours: Annotated[
        float, typer.Option(min=0.001, max=2160, help="What counts, from a user's first page on.")
    ] = 24.0,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Starts an experiment; servers load its models and follow, usually within two seconds."""
    from pagecast.cli.experiments.command import start_experiment

    start_experiment(
        name,
        arms=arm,
        control=control,
        outcome_hours=outcome_hours,
        state_dir=state_dir,
        database_url=database_url,
        as_json=as_json,
    )


@app.command()
def stop(
    name: Name,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stops an experiment: its users get the champion's pages again."""
    from pagecast.cli.experiments.command import stop_experiment

    stop_experiment(name, state_dir=state_dir, database_url=database_url, as_json=as_json)


@app.command("list")
def list_experiments(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest experiments to list.")] = 100,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Lists the experiments, newest first."""
    from pagecast.cli.experiments.command import list_newest

    list_newest(limit, state_dir=state_dir, database_url=database_url, as_json=as_json)


@app.command()
def estimate(
    name: Name,
    drawn_by: Annotated[str, typer.Option(help="The arm whose drawn pages are read.")],
    target: Annotated[
        str, typer.Option(help="The alias or version of the model that is asked about.")
    ],
    temperature: Annotated[
        float, typer.Option(help="At which the target would draw; above 0.")
    ] = 1.0,
    top_p: Annotated[float, typer.Option(help="The nucleus it would draw from.")] = 1.0,
    pages_max: Annotated[int, typer.Option(min=1, help="The newest pages that are read.")] = 1000,
    dreams: Annotated[
        int, typer.Option(min=0, help="Pages of the target a logged one, for DR; 0: DR is IPS.")
    ] = 1,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Estimates what a model would have earned, from logged pages of an arm that drew at random."""
    from pagecast.cli.experiments.estimating import Asked, tell_estimate

    asked = Asked(
        name=name,
        drawn_by=drawn_by,
        target=target,
        temperature=temperature,
        top_p=top_p,
        pages_max=pages_max,
        dreams=dreams,
    )
    tell_estimate(asked, state_dir=state_dir, database_url=database_url, as_json=as_json)


@app.command()
def report(
    name: Name,
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this file, as one HTML page.")
    ] = None,
    off_policy_pages: Annotated[
        int,
        typer.Option(min=0, help="The newest drawn pages of an arm to follow; 0 follows none."),
    ] = 400,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compares the arms by what their users did; look as often as you like."""
    from pagecast.cli.experiments.reporting import tell_report

    tell_report(
        name,
        html=html,
        off_policy_pages=off_policy_pages,
        state_dir=state_dir,
        database_url=database_url,
        as_json=as_json,
    )
