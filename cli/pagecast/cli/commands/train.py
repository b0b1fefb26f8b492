"""`pagecast train`: a model from the feature store."""

from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, OnlineStoreUrl, StateDir, given
from pagecast.cli.training.choices import Align, Profile, Promotion, Response


def train(
    context: typer.Context,
    budget_minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="The training loop stops here.", show_default="the trainer's"),
    ] = None,
    hold_out: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.9,
            help="Share of the time to keep from the training and to evaluate on; 0 trains on all.",
        ),
    ] = 0.1,
    promote: Annotated[
        Promotion,
        typer.Option(
            help="Which model becomes the champion at once: the first and what the gate lets "
            "through, only the first, every one, none."
        ),
    ] = Promotion.GATE,
    profile: Annotated[
        Profile | None, typer.Option(help="Size of the model.", show_default="tiny")
    ] = None,
    response: Annotated[
        Response | None,
        typer.Option(
            help="What a page's entities are to the model (docs/semantic-ids.md).",
            show_default="entities",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the training that was interrupted, if there is one."
        ),
    ] = False,
    from_model: Annotated[
        str | None,
        typer.Option("--from", help="Begin with the weights of this version, or alias."),
    ] = None,
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental",
            help="Learn what is new since --from (the champion) and a sample of the rest.",
        ),
    ] = False,
    align: Annotated[
        Align | None,
        typer.Option(
            help="Align --from (the champion) on logged pages instead: whole pages, or entities."
        ),
    ] = None,
    task: Annotated[
        Path | None,
        typer.Option(
            help="Fit a head for the labelled rows of this file (JSON lines or Parquet) on --from "
            "(the champion), instead of training a model."
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --task: move the model's weights, too.")
    ] = False,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline",
            help="Train the multi-stage baseline instead, and point the alias multi-stage to it.",
        ),
    ] = False,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Trains a model on the feature store, exports it, registers it and asks the gate.

    The first model becomes the champion, and so does a later one if the gate lets it through
    (docs/operations.md); else it waits as the challenger for `pagecast models promote`. With
    --incremental the share to hold out is of what is new. docs/training.md says how to resume an
    interrupted training, and how several processes train together; docs/alignment.md describes
    --align.
    """
    from pagecast.cli.training.command import TrainCommand

    TrainCommand(
        given=given(context),
        budget_minutes=budget_minutes,
        hold_out=hold_out,
        promote=promote,
        profile=profile,
        response=response,
        resume=resume,
        from_model=from_model,
        incremental=incremental,
        align=align,
        task=task,
        whole=whole,
        baseline=baseline,
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        as_json=as_json,
    ).run()
