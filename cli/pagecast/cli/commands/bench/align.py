"""`pagecast bench align`: whose pages simulated members like best."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir


def align(
    quick: Annotated[
        bool, typer.Option("--quick", help="A few minutes: to see whether it works.")
    ] = False,
    tables: Annotated[
        str | None,
        typer.Option(
            help="Some of contenders,align,findings,ids,off-policy,loop.", show_default="all"
        ),
    ] = None,
    contenders: Annotated[
        str | None,
        typer.Option(
            help="Names with / between them; what they are compared with is always one.",
            show_default="all of the tables",
        ),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="Of the loop, with / between them.", show_default="all"),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Of trainings and members.", show_default="0,1,2,3,4; loop: 0"),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(min=1, help="Simulated members a seed.", show_default="200; loop: 100"),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Simulated days.", show_default="7; loop: 30")
    ] = None,
    passes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of generative trainings.", show_default="the trainer's"),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Of reinforcement learning.", show_default="the trainer's"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw reward and long tail by day of the loop into this file, as SVG."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Whose pages simulated members like best, and how far off-policy estimates can be trusted.

    Contenders are trained on the same data and visited by the same members with the same luck, each
    in a world of its own, and shown beside the one they are compared with. In the loop, arms learn
    from their own pages every day.
    """
    from pagecast.cli.bench.align.command import AlignBench

    AlignBench(
        quick=quick,
        tables=tables,
        contenders=contenders,
        arms=arms,
        seeds=seeds,
        members=members,
        days=days,
        passes=passes,
        rounds=rounds,
        data=data,
        out=out,
        plot=plot,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
