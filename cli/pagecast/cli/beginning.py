"""What `pagecast train` begins from, by `--from` and `--incremental`."""

from dataclasses import replace

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.settings import Settings
from pagecast.cli.training import train_config
from pagecast.featurestore.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.base import BaseError
from pagecast.trainer.beginning import Beginning, begin_from, go_on_from
from pagecast.trainer.config import TrainConfig


def beginning(
    settings: Settings, paths: StatePaths, name: str | None, *, incremental: bool
) -> Beginning:
    """Resolves what was asked for: an incremental run goes on from the champion if not told.

    Raises CommandError for a model that is not there or cannot be begun from.
    """
    if name is None and not incremental:
        return Beginning()
    with open_database(settings) as engine:
        registry = Registry(engine)
        try:
            if name is not None and not incremental:
                return begin_from(registry, paths.bundles, name)
            full_every = settings.train.incremental.config().full_every
            return go_on_from(registry, paths.bundles, name or "", full_every)
        except BaseError as error:
            raise CommandError(str(error)) from error


def config_of(
    settings: Settings, budget_minutes: float | None = None, profile: str = ""
) -> TrainConfig:
    """The trainer's config as `[train]` tells it, but for the budget and the profile given."""
    told = settings.train
    minutes = told.budget_minutes if budget_minutes is None else budget_minutes
    config = train_config(minutes, profile or told.profile)
    config = replace(config, model=replace(config.model, response=told.response))
    return replace(config, start=told.incremental.start(), incremental=told.incremental.config())


def check_align(settings: Settings, recipe: str, *, incremental: bool) -> None:
    """Raises InputError for what does not go with --align, or a value of [train.align]."""
    if incremental:
        raise InputError(
            "--align and --incremental", "learn what is new first, then align what came of it"
        )
    try:
        settings.train.align.config(recipe)
    except ValueError as error:
        raise InputError(f"[train.align]: {error}", "change it in pagecast.toml") from error


def aligning(
    settings: Settings, config: TrainConfig, recipe: str, begin: Beginning, processes: int
) -> TrainConfig:
    """The config of an alignment: its base's model, and the recipe.

    Raises CommandError in a group of processes.
    """
    if processes > 1:
        raise CommandError("--align is one process's", "run it without torchrun")
    model = config.model if begin.base is None else begin.base.model.config
    return replace(config, model=model, align=settings.train.align.config(recipe))
