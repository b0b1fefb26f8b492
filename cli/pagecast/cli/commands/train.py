"""`pagecast train`: a model from the feature store."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, OnlineStoreUrl, StateDir

if TYPE_CHECKING:
    from pagecast.cli.output import Output
    from pagecast.cli.settings import Settings
    from pagecast.featurestore.model_records import ModelRecord
    from pagecast.featurestore.state import StatePaths
    from pagecast.trainer.beginning import Beginning
    from pagecast.trainer.job import TrainOutcome


class Promotion(StrEnum):
    """Whether a trained model becomes the champion."""

    GATE = "gate"
    FIRST = "first"
    ALWAYS = "always"
    NEVER = "never"


class Align(StrEnum):
    """`pagecast.trainer.alignment.config.RECIPES` by name."""

    DR_GRPO = "dr-grpo"
    GRPO_SR = "grpo-sr"


class Profile(StrEnum):
    """`pagecast.trainer.profiles` by name."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"
    LARGE = "large"


class Response(StrEnum):
    """`pagecast.trainer.config.Response` by name."""

    ENTITIES = "entities"
    SEMANTIC_IDS = "semantic_ids"


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

    The first model becomes the champion, and a later one if the gate lets it (docs/operations.md);
    else it waits as the challenger for `pagecast models promote`. With --incremental the share to
    hold out is of what is new. An interrupted training can be resumed; docs/training.md tells how,
    and how several processes train together. docs/alignment.md tells of --align.
    """
    from pagecast.cli.baseline import train_and_tell
    from pagecast.cli.beginning import beginning, check_align
    from pagecast.cli.exits import CommandError, InputError, LockedError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.cli.tasks import run_task
    from pagecast.featurestore.model_records import CHAMPION
    from pagecast.featurestore.semantic_ids import CodebookError
    from pagecast.featurestore.state import StatePaths
    from pagecast.trainer.alignment.credit import RewardError
    from pagecast.trainer.base import BaseError
    from pagecast.trainer.checkpoint import CheckpointError
    from pagecast.trainer.metadata import ContentError
    from pagecast.trainer.parity import ParityError
    from pagecast.trainer.snapshot import NothingToTrainError
    from pagecast.trainer.training_folder import FolderInUseError

    settings = load_settings(
        state_dir=state_dir,
        database_url=database_url,
        online_store_url=online_store_url,
        train={"budget_minutes": budget_minutes, "profile": profile, "response": response},
    )
    configure_logging(settings, level="warning")
    output, paths = Output(as_json=as_json), StatePaths(root=settings.state_dir)
    if baseline:
        if resume or incremental or from_model or profile or align or task:
            raise InputError(
                "--baseline: it has no weights to begin with or to go on from, and no profile",
                "leave out --from, --incremental, --resume, --align, --task and --profile",
            )
        train_and_tell(settings, paths, output, hold_out)
        return
    if task is not None or whole:
        if align or incremental or resume:
            raise InputError(
                "--task: a head is fitted on a model as it is",
                "leave out --align, --incremental and --resume",
            )
        run_task(settings, paths, output, from_model, task, whole=whole)
        return
    if align is not None:
        check_align(settings, align, incremental=incremental)
        from_model = from_model or CHAMPION
    begin = beginning(settings, paths, from_model, incremental=incremental)
    if begin.note:
        output.say(begin.note)
    try:
        outcome = _train(
            settings, paths, output, begin, hold_out=hold_out, resume=resume, recipe=align
        )
    except FolderInUseError as error:
        raise LockedError(str(error), "wait for its end, or end it") from error
    except CheckpointError as error:
        raise CommandError(str(error), "train without --resume to begin anew") from error
    except RewardError as error:
        raise CommandError(
            str(error), "the newest checkpoint stays; change [train.align] and begin anew"
        ) from error
    except (BaseError, CodebookError, ContentError, NothingToTrainError, ParityError) as error:
        raise CommandError(str(error)) from error
    if outcome is None:
        return
    _tell(output, _promoted(settings, outcome, promote), outcome)


def _train(
    settings: "Settings",
    paths: "StatePaths",
    output: "Output",
    begin: "Beginning",
    *,
    hold_out: float,
    resume: bool,
    recipe: Align | None,
) -> "TrainOutcome | None":
    """Trains, alone or in torchrun's group; all but the group's first process return None."""
    from pagecast.cli.beginning import aligning, config_of
    from pagecast.cli.training import training_bar, training_source
    from pagecast.trainer.alignment.job import align_job
    from pagecast.trainer.job import TrainJob
    from pagecast.trainer.processes import process_group
    from pagecast.trainer.snapshot import positions_before_last
    from pagecast.trainer.train import fit_snapshot
    from pagecast.trainer.train import train as run_training
    from pagecast.trainer.training_folder import TrainingFolder

    with (
        process_group() as processes,
        TrainingFolder(paths.training, processes).held() as folder,
        training_source(
            paths, settings.database_url, settings.online_store_url, settings.fold.config()
        ) as source,
    ):
        until = folder.begin(
            lambda: positions_before_last(paths, hold_out, begin.known) if hold_out else None,
            resume=resume,
        )
        config = config_of(settings)
        if recipe is not None:
            config = aligning(settings, config, recipe.value, begin, processes.count)
        job = TrainJob(
            source=source,
            config=config,
            until=until,
            checkpoint=folder.path,
            base=begin.base,
            incremental=begin.incremental,
        )
        if not processes.first:
            fit_snapshot(job)
            return None
        with training_bar(output.console) as bar:
            return align_job(job, bar) if recipe is not None else run_training(job, bar)


def _tell(output: "Output", record: "ModelRecord", outcome: "TrainOutcome") -> None:
    from pagecast.cli.align_view import show_alignment
    from pagecast.cli.models_view import show_verdict

    facts = [("version", record.version), ("aliases", " ".join(record.aliases))]
    facts += [(name, f"{value:.4f}") for name, value in sorted(outcome.metrics.items())]
    output.table("", ("", ""), facts)
    align = record.data.get("align")
    if align is not None:
        show_alignment(output, align)
    verdict = outcome.verdict
    if verdict is not None:
        show_verdict(output, verdict)
    output.document(
        {
            "version": record.version,
            "aliases": list(record.aliases),
            "bundle": str(outcome.bundle),
            "metrics": outcome.metrics,
            **({} if align is None else {"align": align}),
            "verdict": None if verdict is None else verdict.to_json(),
        }
    )


def _promoted(settings: "Settings", outcome: "TrainOutcome", promotion: Promotion) -> "ModelRecord":
    """Promotes the model if it is to be; returns its record."""
    from pagecast.cli.commands.models import PROMOTED_BY
    from pagecast.cli.database import open_database
    from pagecast.featurestore.model_records import CHAMPION
    from pagecast.featurestore.registry import Registry

    with open_database(settings) as engine:
        registry = Registry(engine)
        passed = outcome.verdict is not None and outcome.verdict.passed
        if promotion is Promotion.ALWAYS:
            registry.promote(
                outcome.version, PROMOTED_BY, forced=True, note="train --promote always"
            )
        elif promotion is not Promotion.NEVER and registry.resolve(CHAMPION) is None:
            registry.promote(outcome.version, PROMOTED_BY, forced=True, note="the first model")
        elif promotion is Promotion.GATE and passed:
            registry.promote(outcome.version, PROMOTED_BY, note="the gate")
        return registry.get(outcome.version)
