"""What a training is asked for, where it is, and what comes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.models.verdicts import Verdict
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.evaluation.protocols.next_slice import Quality
from pagecast.trainer.fitting.fit import FitProgress, FitResult
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.starts.base import Base, Start

Progress = Callable[["TrainProgress"], None]


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """Where a training is; `fit` is set while `stage` is "fit", `align` while it is "align",
    `metrics` once it is "judge"."""

    stage: str
    share_done: float
    fit: FitProgress | None = None
    align: AlignProgress | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """What to train on. `until` limits the data (log positions, exclusive); None is all of it.

    With a `checkpoint` folder, a training resumes from the newest one there. With a `base` it
    begins from that model; `incremental` says that it learns from what is new since then, and
    from a sample of the rest.
    """

    source: Source
    config: TrainConfig = field(default_factory=TrainConfig)
    until: NextOffsets | None = None
    checkpoint: Path | None = None
    base: Base | None = None
    incremental: bool = False

    def __post_init__(self) -> None:
        if self.incremental and self.base is None:
            raise ValueError("incremental: give the base model to go on from")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model that is not yet a bundle, and what it was trained on, from which base.

    `facts` are told of its data besides those of every training. `sample` are some of the users,
    whose embeddings say what the axes of its embeddings are (`release`).
    """

    model: PageModel
    vocabulary: Vocabulary
    config: TrainConfig
    positions: NextOffsets
    catalog: CatalogSnapshot
    sample: tuple[UserSteps, ...]
    users: int
    steps: int
    fit: FitResult
    start: Start | None = None
    facts: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainOutcome:
    """A registered bundle (the challenger)."""

    version: str
    bundle: Path
    metrics: dict[str, float]
    quality: Quality | None
    verdict: Verdict | None = None
    """The gate's; None if there was no slice to evaluate on."""


Fitting = Callable[["TrainJob", Progress], "Trained"]
"""How a job becomes a trained model."""
