"""`pagecast bench learn`: what retraining is worth."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir


def learn(
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute or two: to see whether it works.")
    ] = False,
    slices: Annotated[
        int | None,
        typer.Option(min=2, help="Next slices; the last is evaluated on.", show_default="4"),
    ] = None,
    begin: Annotated[
        float | None,
        typer.Option(help="Share of the interactions before the first.", show_default="0.8"),
    ] = None,
    passes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of full trainings.", show_default="the trainer's"),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Of trainings.", show_default="0,1,2")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Seeds at a time, each on a core.", show_default="1")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What retraining is worth and costs: never, incrementally, in full, slice after slice.

    For each next slice: sync, evaluate, train. Each seed has a process of its own, with one thread
    on one core.
    """
    from pagecast.cli.bench.learn_command import LearnBench

    LearnBench(
        quick=quick,
        slices=slices,
        begin=begin,
        passes=passes,
        seeds=seeds,
        data=data,
        jobs=jobs,
        out=out,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
