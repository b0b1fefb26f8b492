"""The model a training begins from: a bundle's, or one that was just trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from pagecast.engine.bundles.manifest import Manifest
from pagecast.engine.errors import BundleError
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.network.model import PageModel

FULL: Mapping[str, JsonValue] = {"kind": "full", "from_positions": [], "incremental_runs": 0}
"""`Start.facts` of a training without one."""


class BaseError(ValueError):
    """A training cannot begin from this model; the message names what differs and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """`positions` is where its data end, `incremental_runs` counts the runs since a full one.

    `version` is the bundle's; "" for a model without a bundle.
    """

    model: PageModel
    vocabulary: Vocabulary
    version: str = ""
    positions: NextOffsets
    incremental_runs: int = 0

    def full_due(self, full_every: int) -> bool:
        """Whether the next training of this line is a full one; never if `full_every` is 0."""
        return 0 < full_every <= self.incremental_runs + 1


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a training begins from a base.

    `replayed` are the users whose old requests are learned from beside all new ones; None learns
    from everything there is.
    """

    base: Base
    replayed: frozenset[str] | None = None

    @property
    def incremental(self) -> bool:
        return self.replayed is not None

    def facts(self) -> dict[str, JsonValue]:
        """For the manifest: where its data begin, and which part of it was seen again."""
        return {
            "kind": "incremental" if self.incremental else "warm",
            "from_positions": told_positions(self.base.positions),
            "incremental_runs": self.base.incremental_runs + 1 if self.incremental else 0,
            "replayed_users": len(self.replayed or ()),
        }


def load_base(bundle: Path) -> Base:
    """The base of a bundle. Raises BaseError for anything but a bundle of this version's format."""
    remedy = "name another model, or train without --from"
    try:
        model, vocabulary, manifest = load_model(bundle)
        positions = positions_of(manifest)
    except (BundleError, OSError) as error:
        raise BaseError(f"bundle {bundle.name}: {error}: {remedy}") from error
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        told = str(error).splitlines()[0]
        raise BaseError(f"bundle {bundle.name}: not of this format: {told}: {remedy}") from error
    runs = manifest.data.get("incremental_runs", 0)
    return Base(
        model=model,
        vocabulary=vocabulary,
        version=manifest.version,
        positions=positions,
        incremental_runs=runs if isinstance(runs, int) else 0,
    )


def refuse_unlike(base: Base, config: TrainConfig) -> None:
    """Raises BaseError if the weights of a base are not those of a training's model."""
    was, wanted = asdict(base.model.config), asdict(config.model)
    for name, value in wanted.items():
        if was[name] != value:
            raise BaseError(
                f"model.{name}: the base {base.version} has {was[name]}, the training is to have "
                f"{value}: choose the base's (--profile), or train without --from"
            )


def incremental_config(config: TrainConfig) -> TrainConfig:
    """The config of an incremental run: as long, and as fast, as `config.incremental` says."""
    told = config.incremental
    return replace(config, epochs=told.epochs, learning_rate=told.learning_rate)


def positions_of(manifest: Manifest) -> dict[tuple[str, int], int]:
    """Where the data of a bundle end. Raises ValueError or KeyError if it does not tell."""
    entries = TypeAdapter(list[_Position]).validate_python(manifest.data["positions"])
    return {(e.topic_id, e.partition): e.next_offset for e in entries}


def told_positions(positions: Mapping[tuple[str, int], int]) -> list[JsonValue]:
    """As manifests tell them."""
    return [
        {"topic_id": topic_id, "partition": partition, "next_offset": next_offset}
        for (topic_id, partition), next_offset in sorted(positions.items())
    ]


@dataclass(frozen=True, kw_only=True)
class _Position:
    topic_id: str
    partition: int
    next_offset: int
