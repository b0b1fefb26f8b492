"""The trainer's job, as the command was asked for it, and its errors in the terminal's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pagecast.cli.exits import CommandError, LockedError
from pagecast.cli.settings import Settings
from pagecast.cli.training.config import config_of
from pagecast.cli.training.source import training_source
from pagecast.featurestore.prompt.semantic_ids import CodebookError
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.records import Pinned
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.data.metadata import ContentError
from pagecast.trainer.data.snapshot import NothingToTrainError, Source, positions_before_last
from pagecast.trainer.export.parity import ParityError
from pagecast.trainer.fitting.checkpoint import CheckpointError
from pagecast.trainer.fitting.processes import Processes, process_group
from pagecast.trainer.fitting.training_folder import FolderInUseError, TrainingFolder
from pagecast.trainer.job import TrainJob
from pagecast.trainer.starts.base import BaseError
from pagecast.trainer.starts.beginning import Beginning


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a training reads, and whether it goes on with an earlier one."""

    hold_out: float
    """Share of the time that is held out, to judge it by."""
    resume: bool
    """Whether to go on with the interrupted training, on its very data."""


@contextmanager
def opened_job(
    settings: Settings, paths: StatePaths, begin: Beginning, data: Data
) -> Iterator[tuple[TrainJob, Processes]]:
    """The job, alone or in torchrun's group; it holds the training's folder until it is done.

    Then its checkpoints are removed.
    """
    with (
        process_group() as processes,
        TrainingFolder(paths.training, processes).held() as folder,
        training_source(
            paths, settings.database_url, settings.online_store_url, settings.fold.config()
        ) as source,
    ):
        pinned = folder.begin(lambda: _decided(source, data, begin), resume=data.resume)
        job = TrainJob(
            source=replace(source, catalog_number=pinned.catalog_number),
            config=config_of(settings),
            until=pinned.until,
            checkpoint=folder.path,
            base=begin.base,
            incremental=begin.incremental,
        )
        yield job, processes
        if processes.first:
            folder.clear()


def _decided(source: Source, data: Data, begin: Beginning) -> Pinned:
    until = None
    if data.hold_out:
        until = positions_before_last(source.paths, data.hold_out, begin.known)
    return Pinned(
        until=until, catalog_number=source.newest_catalog_number(), base_version=begin.version
    )


@contextmanager
def training_errors() -> Iterator[None]:
    """Raises the trainer's errors as CommandError and LockedError, with the remedy."""
    try:
        yield
    except FolderInUseError as error:
        raise LockedError(str(error), "wait for its end, or end it") from error
    except CheckpointError as error:
        raise CommandError(str(error), "train without --resume to begin anew") from error
    except RewardError as error:
        raise CommandError(
            str(error),
            "the newest checkpoint stays; change [train.align] or [train.align.reward] and begin"
            " anew",
        ) from error
    except (BaseError, CodebookError, ContentError, NothingToTrainError, ParityError) as error:
        raise CommandError(str(error)) from error
