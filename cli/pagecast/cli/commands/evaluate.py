"""`pagecast evaluate`: the model beside honest baselines, on public or own data."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir, given


def evaluate(
    context: typer.Context,
    protocol: Annotated[
        str,
        typer.Option(
            help="leave-one-out, temporal, prequential or cold-start (docs/evaluation.md)."
        ),
    ] = "leave-one-out",
    data: Annotated[
        str, typer.Option(help="ml-100k, ml-1m, or a folder in the interchange format.")
    ] = "ml-100k",
    systems: Annotated[
        str,
        typer.Option(
            help="Some of popularity,last-item-counter,item-knn,ease,ease-recency,metadata-knn,"
            "pagecast,pagecast-no-metadata,pagecast-semantic-ids.",
            show_default="those of the protocol",
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Of the model: one is trained for each.")] = "0",
    budget_minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of training, a seed.", show_default="the trainer's"),
    ] = None,
    staleness: Annotated[
        str,
        typer.Option(
            help="Seconds by which histories are late, as 0,5,60, or all (prequential only)."
        ),
    ] = "0",
    retrain_every: Annotated[
        int,
        typer.Option(
            min=0,
            help="Retrain after so many predicted interactions, pagecast incrementally "
            "(prequential only); 0 never.",
        ),
    ] = 0,
    pages: Annotated[
        int,
        typer.Option(
            min=0, help="Whole pages for so many held-out requests: popularity and pagecast."
        ),
    ] = 0,
    logged: Annotated[
        bool,
        typer.Option(
            "--logged", help="The offline log's served pages instead: was what was said true?"
        ),
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this file, as one HTML page.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Evaluates the model and its baselines by one protocol, with intervals.

    Reads public data or your files, and nothing from the feature store (except with --logged);
    trains models of its own, and changes nothing that serves.
    """
    from pagecast.cli.evaluation.command import Evaluation

    Evaluation(
        given=given(context),
        protocol=protocol,
        data=data,
        systems=systems,
        seeds=seeds,
        staleness=staleness,
        retrain_every=retrain_every,
        pages=pages,
        logged=logged,
        html=html,
        budget_minutes=budget_minutes,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
