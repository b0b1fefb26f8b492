"""What a training begins from: `--from`, `--incremental`, and when a full one is due."""

from dataclasses import dataclass, replace

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError
from pagecast.cli.settings import Settings
from pagecast.cli.training import train_config
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.registry import CHAMPION, ModelUnknown, Registry
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.base import Base, BaseError, load_base
from pagecast.trainer.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A base model or none. `note` says why it is another beginning than was asked for."""

    base: Base | None = None
    incremental: bool = False
    note: str = ""

    @property
    def known(self) -> NextOffsets | None:
        """What the share to hold out is not taken from; None if there is nothing."""
        return self.base.positions if self.base is not None and self.incremental else None


def beginning(
    settings: Settings, paths: StatePaths, name: str | None, *, incremental: bool
) -> Beginning:
    """Resolves what was asked for: an incremental run goes on from the champion if not told.

    Raises CommandError for a model that is not there or cannot be begun from.
    """
    if name is None and not incremental:
        return Beginning()
    version = _version(settings, CHAMPION if name is None else name)
    try:
        base = load_base(paths.bundles / version)
    except BaseError as error:
        raise CommandError(str(error)) from error
    if not incremental:
        return Beginning(base=base)
    full_every = settings.train.incremental.config().full_every
    if base.full_due(full_every):
        return Beginning(
            note=f"{base.incremental_runs} incremental trainings since the last full one: this one "
            f"is full (train.incremental.full_every = {full_every})"
        )
    return Beginning(base=base, incremental=True)


def config_of(settings: Settings) -> TrainConfig:
    """The trainer's config as `[train]` tells it."""
    told = settings.train
    config = train_config(told.budget_minutes, told.profile)
    return replace(config, start=told.incremental.start(), incremental=told.incremental.config())


def _version(settings: Settings, name: str) -> str:
    with open_database(settings) as engine:
        registry = Registry(engine)
        record = registry.resolve(name)
        if record is not None:
            return record.version
        if name == CHAMPION:
            raise CommandError("no model has been promoted yet", "train one in full first")
        try:
            return registry.get(name).version
        except ModelUnknown as error:
            raise CommandError(str(error)) from error
