"""`pagecast train --align`: a base model learns from logged pages to make better ones."""

from dataclasses import replace

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.output import Output
from pagecast.cli.settings import Settings
from pagecast.cli.training.bar import training_bar
from pagecast.cli.training.beginning import beginning
from pagecast.cli.training.job import Data, opened_job, training_errors
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.job import align_job
from pagecast.trainer.job import TrainOutcome


def align_model(
    settings: Settings,
    paths: StatePaths,
    output: Output,
    from_model: str | None,
    data: Data,
    recipe: str,
) -> TrainOutcome:
    """Aligns `from_model` or the champion, exports the result and registers it.

    Raises InputError, CommandError and LockedError with what to do.
    """
    align = _align_config(settings, recipe)
    begin = beginning(settings, paths, from_model or CHAMPION, incremental=False)
    with training_errors(), opened_job(settings, paths, begin, data) as (job, processes):
        if processes.count > 1:
            raise CommandError("--align is one process's", "run it without torchrun")
        model = job.config.model if begin.base is None else begin.base.model.config
        config = replace(job.config, model=model, align=align)
        with training_bar(output.console) as bar:
            return align_job(replace(job, config=config), bar)


def _align_config(settings: Settings, recipe: str) -> AlignConfig:
    """The recipe, with what [train.align] changes of it. Raises InputError."""
    try:
        return settings.train.align.config(recipe)
    except ValueError as error:
        raise InputError(f"[train.align]: {error}", "change it in pagecast.toml") from error
