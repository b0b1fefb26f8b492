"""`pagecast bench model`: what the model predicts, how fast it trains."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir


def model(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Every table in five minutes: to see whether it works."),
    ] = False,
    tables: Annotated[
        str,
        typer.Option(
            help="Some of quality,ablations,throughput,scaling,parity,cost,decoding.",
            show_default="all",
        ),
    ] = "",
    seeds: Annotated[
        str | None, typer.Option(help="Of quality and ablations.", show_default="0,1,2")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="CPU minutes of each training.",
            show_default="scaling 4, else 30 at most",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at a time, each on a core.", show_default="1"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the scaling table into this file, as SVG.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What the model predicts and what each part is worth, how fast it trains, how it scales.

    Each figure is measured by a process of its own, with one thread on one core. All of it takes a
    night; choose tables, or interrupt it and go on with `--out`.
    """
    from pagecast.cli.bench.model_command import ModelBench

    ModelBench(
        quick=quick,
        tables=tables,
        seeds=seeds,
        minutes=minutes,
        data=data,
        jobs=jobs,
        out=out,
        plot=plot,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
