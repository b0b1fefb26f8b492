"""`pagecast train`: a model from the feature store."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, OnlineStoreUrl, StateDir

if TYPE_CHECKING:
    from pagecast.cli.output import Output
    from pagecast.cli.settings import Settings
    from pagecast.featurestore.registry import ModelRecord
    from pagecast.trainer.train import TrainOutcome


class Promotion(StrEnum):
    """Whether a trained model becomes the champion."""

    FIRST = "first"
    ALWAYS = "always"
    NEVER = "never"


def train(
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
        Promotion, typer.Option(help="Which model becomes the champion at once.")
    ] = Promotion.FIRST,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
    as_json: AsJson = False,
) -> None:
    """Trains a model on the feature store, exports it and registers it as the challenger.

    The first model becomes the champion; a later one waits for `pagecast models promote`.
    """
    from pagecast.cli.exits import CommandError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.cli.training import train_config, training_bar, training_source
    from pagecast.featurestore.state import StatePaths
    from pagecast.trainer.metadata import ContentError
    from pagecast.trainer.parity import ParityError
    from pagecast.trainer.snapshot import NothingToTrainError, positions_before_last
    from pagecast.trainer.train import TrainJob
    from pagecast.trainer.train import train as run_training

    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        train={"budget_minutes": budget_minutes},
    )
    configure_logging(settings, level="warning")
    output, paths = Output(as_json=as_json), StatePaths(root=settings.state_dir)
    try:
        until = positions_before_last(paths, hold_out) if hold_out else None
        with (
            training_source(
                paths, settings.database_url, settings.online_store_url, settings.fold.config()
            ) as source,
            training_bar(output.console) as bar,
        ):
            config = train_config(settings.train.budget_minutes)
            outcome = run_training(TrainJob(source=source, config=config, until=until), bar)
    except (ContentError, NothingToTrainError, ParityError) as error:
        raise CommandError(str(error)) from error
    _tell(output, _promoted(settings, outcome.version, promote), outcome)


def _tell(output: "Output", record: "ModelRecord", outcome: "TrainOutcome") -> None:
    facts = [("version", record.version), ("aliases", " ".join(record.aliases))]
    facts += [(name, f"{value:.4f}") for name, value in sorted(outcome.metrics.items())]
    output.table("", ("", ""), facts)
    output.document(
        {
            "version": record.version,
            "aliases": list(record.aliases),
            "bundle": str(outcome.bundle),
            "metrics": outcome.metrics,
        }
    )


def _promoted(settings: "Settings", version: str, promotion: Promotion) -> "ModelRecord":
    """Promotes the model if it is to be; returns its record."""
    from pagecast.cli.commands.models import PROMOTED_BY
    from pagecast.cli.database import open_database
    from pagecast.featurestore.registry import CHAMPION, Registry

    with open_database(settings) as engine:
        registry = Registry(engine)
        first = registry.resolve(CHAMPION) is None
        if promotion is Promotion.ALWAYS or (promotion is Promotion.FIRST and first):
            registry.promote(version, PROMOTED_BY)
        return registry.get(version)
