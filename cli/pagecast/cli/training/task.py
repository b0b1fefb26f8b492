"""`pagecast train --task`: fine-tuning, as the command line starts it."""

from pathlib import Path

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.output import Output
from pagecast.cli.progress import progress_bar
from pagecast.cli.settings import Settings
from pagecast.cli.training.bar import STAGES
from pagecast.cli.training.source import training_source
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.export.parity import ParityError
from pagecast.trainer.starts.base import BaseError
from pagecast.trainer.starts.beginning import version_of
from pagecast.trainer.tasks.config import TaskConfig
from pagecast.trainer.tasks.rows import TaskError
from pagecast.trainer.tasks.run import TaskJob, TaskOutcome, fit_task


def run_task(
    settings: Settings,
    paths: StatePaths,
    output: Output,
    from_model: str | None,
    task: Path,
    *,
    whole: bool,
) -> None:
    """Fits, reports and publishes. Raises InputError and CommandError that say what to do."""
    if not task.is_file():
        raise InputError(f"--task: {task} is no file", "give JSON lines or Parquet")
    try:
        with open_database(settings) as engine:
            version = version_of(Registry(engine), from_model or CHAMPION)
        outcome = _fitted(settings, paths, output, version, task, whole=whole)
    except TaskError as error:
        raise InputError(
            f"--task: {error}", "docs/training.md tells what rows look like"
        ) from error
    except (BaseError, NothingToTrainError, ParityError) as error:
        raise CommandError(str(error)) from error
    _tell(output, outcome)


def _fitted(
    settings: Settings, paths: StatePaths, output: Output, version: str, task: Path, *, whole: bool
) -> TaskOutcome:
    config = TaskConfig(whole=whole)
    with (
        training_source(
            paths, settings.database_url, settings.online_store_url, settings.fold.config()
        ) as source,
        progress_bar(output.console) as progress,
    ):
        bars = {}

        def told(stage: str, share: float) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(STAGES.get(stage, stage), total=1.0, note="")
            progress.update(bars[stage], completed=share)

        bundle = paths.bundles / version
        return fit_task(TaskJob(source=source, bundle=bundle, file=task, config=config), told)


def _tell(output: Output, outcome: TaskOutcome) -> None:
    manifest = outcome.manifest
    facts = [
        ("version", manifest.version),
        ("on the model", manifest.base_version),
        ("score", manifest.score.value),
        ("rows fitted, tested", f"{manifest.data['rows_fitted']}, {manifest.data['rows_tested']}"),
        ("in", str(outcome.folder)),
    ]
    facts += [(name, f"{value:.4f}") for name, value in sorted(manifest.metrics.items())]
    output.table("", ("", ""), facts)
    output.document(
        {"bundle": str(outcome.folder), **manifest.model_dump(mode="json", by_alias=True)}
    )
