"""What a training begins from: nothing, a model, or a model whose next slice it learns."""

from dataclasses import dataclass
from pathlib import Path

from pagecast.featurestore.models.records import CHAMPION, ModelUnknown
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import NextOffsets
from pagecast.trainer.starts.base import Base, BaseError, load_base


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """A base model or none. `note` says why it is a different beginning than was asked for.

    The share to hold out is not taken from `known` (None: nothing): the model that this one goes on
    from, or follows in full, has learned it, and the two are compared.
    """

    base: Base | None = None
    incremental: bool = False
    known: NextOffsets | None = None
    note: str = ""

    @property
    def version(self) -> str:
        """The base's; empty without one."""
        return "" if self.base is None else self.base.version


def begin_from(registry: Registry, bundles: Path, name: str) -> Beginning:
    """With the weights of a version, or of what an alias names. Raises BaseError."""
    return Beginning(base=load_base(bundles / version_of(registry, name)))


def go_on_from(registry: Registry, bundles: Path, name: str, full_every: int) -> Beginning:
    """With what is new since a model, the champion if `name` is empty; in full if that is due.

    Raises BaseError.
    """
    base = load_base(bundles / version_of(registry, name or CHAMPION))
    if base.full_due(full_every):
        return Beginning(
            known=base.positions,
            note=f"{base.incremental_runs} incremental trainings since the last full one: this one "
            f"is full (train.incremental.full_every = {full_every})",
        )
    return Beginning(base=base, incremental=True, known=base.positions)


def version_of(registry: Registry, name: str) -> str:
    """Of an alias, or of a version itself. Raises BaseError."""
    record = registry.resolve(name)
    if record is not None:
        return record.version
    if name == CHAMPION:
        raise BaseError("no model has been promoted yet: train one in full first")
    try:
        return registry.get(name).version
    except ModelUnknown as error:
        raise BaseError(str(error)) from error
