"""`pagecast evaluate`: the model beside honest baselines, on public or own data."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir


def evaluate(
    protocol: Annotated[
        str, typer.Option(help="leave-one-out, temporal or prequential (docs/evaluation.md).")
    ] = "leave-one-out",
    data: Annotated[
        str, typer.Option(help="ml-100k, ml-1m, or a folder in the interchange format.")
    ] = "ml-100k",
    systems: Annotated[
        str,
        typer.Option(
            help="Some of popularity,last-item-counter,item-knn,ease,ease-recency,pagecast.",
            show_default="all",
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
    html: Annotated[
        Path | None, typer.Option(help="Write the report to this file, as one HTML page.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Evaluates the model and its baselines by one protocol, with intervals.

    Reads public data or your files, and nothing of the feature store; trains models of its own,
    and changes nothing that serves.
    """
    from rich.markup import escape

    from pagecast.cli.evaluation.asked import Asked, evaluate_data, evaluation_bar
    from pagecast.cli.evaluation.data import open_data
    from pagecast.cli.evaluation.table import show_report
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.state import StatePaths
    from pagecast.trainer.evaluation.errors import EvaluationError
    from pagecast.trainer.metadata import ContentError
    from pagecast.trainer.snapshot import NothingToTrainError

    settings = load_settings(state_dir=state_dir, train={"budget_minutes": budget_minutes})
    configure_logging(settings, level="warning")
    output = Output(as_json=as_json)
    try:
        asked = Asked.of(
            protocol=protocol,
            systems=systems,
            seeds=seeds,
            staleness=staleness,
            budget_minutes=settings.train.budget_minutes,
        )
        if html is not None and not html.resolve().parent.is_dir():
            raise InputError(f"--html: {html.parent} is no folder", "make it first")
        paths = StatePaths(root=settings.state_dir)
        opened = open_data(data, paths, settings.fold.config(), output.console)
        with evaluation_bar(output.console) as bar:
            report = evaluate_data(opened, asked, bar)
    except (ContentError, EvaluationError, NothingToTrainError) as error:
        raise InputError(str(error)) from error
    show_report(output, report)
    if html is not None:
        from pagecast.trainer.evaluation.report_html import report_html

        html.write_text(report_html(report), "utf-8")
        output.say(f"\nreport: {escape(str(html))}")
    output.document(report.to_json())
