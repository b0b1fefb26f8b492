"""History becomes a model, a model becomes a bundle: the life of a model, steps 2, 4, 5, 7, 8.

`train` does all of it. A caller that learns the next slice only later (the demo) calls
`fit_snapshot`, `evaluate_next_slice` and `export_and_register` one after the other.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog
import torch
from pydantic import JsonValue

from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.model_records import CHAMPION
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.registry import Registry
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.featurestore.verdicts import Verdict
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment.rounds import AlignProgress
from pagecast.trainer.base import (
    FULL,
    Base,
    Start,
    incremental_config,
    positions_of,
    refuse_unlike,
    told_positions,
)
from pagecast.trainer.begun import begun
from pagecast.trainer.bundle import BundleFacts, load_model, write_bundle
from pagecast.trainer.checkpoint import Checkpoints
from pagecast.trainer.code_version import code_version
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data import build_dataset, fallback_row, next_row
from pagecast.trainer.evaluation.forgetting import forgetting
from pagecast.trainer.evaluation.next_slice import (
    Quality,
    next_slice_quality,
    quality_on,
    slice_plan,
)
from pagecast.trainer.fit import FitProgress, FitResult, fit
from pagecast.trainer.gate import Rival, judge
from pagecast.trainer.logged import Reading, read_shown
from pagecast.trainer.model import PageModel
from pagecast.trainer.pages import PageBuilder
from pagecast.trainer.pools import Pools
from pagecast.trainer.release import Before, Stabilised, some_of, stabilise
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.semantic.teaching import clear_checkpoints, with_codebook
from pagecast.trainer.shown import Shown
from pagecast.trainer.slice_reading import read_slice
from pagecast.trainer.slices import shown_since
from pagecast.trainer.snapshot import Snapshot, Source

Progress = Callable[["TrainProgress"], None]

_log = structlog.get_logger(__name__)


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

    With a folder for checkpoints, a training goes on from the newest one there. With a `base` it
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

    `facts` are told of its data beside those of every training. `sample` are some of the users, who
    say what its embeddings' axes are (`release`).
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
    """The gate's, which is asked if there was a slice to evaluate on."""


Fitting = Callable[["TrainJob", Progress], "Trained"]
"""How a job becomes a trained model."""


def train(
    job: TrainJob, progress: Progress = lambda _: None, fitting: Fitting | None = None
) -> TrainOutcome:
    """Trains, evaluates on what the log holds after `job.until`, exports, registers and judges.

    `fitting` is `fit_snapshot` unless another is given. Once the model is judged, the training's
    checkpoints are removed. Raises NothingToTrainError without data, CheckpointError for
    checkpoints of something else, ParityError if an exported graph is not the model.
    """
    trained = (fitting or fit_snapshot)(job, progress)
    if job.until is None:
        outcome = export_and_register(job.source, trained, None, progress)
    else:
        outcome = _release(job.source, trained, progress)
    if job.checkpoint is not None:
        Checkpoints(job.checkpoint).clear()
        clear_checkpoints(job.checkpoint)
    return outcome


def _release(source: Source, trained: Trained, progress: Progress) -> TrainOutcome:
    """Evaluates beside the champion, exports, registers, and asks the gate."""
    progress(TrainProgress(stage="evaluate", share_done=0.0))
    snapshot = source.read(known=trained.positions)
    plan = slice_plan(snapshot.catalog, snapshot.users)
    with _registry(source) as registry:
        champion = Rival.of(registry.resolve(CHAMPION), source.paths.bundles)
        with threads(trained.config.threads):
            quality = quality_on(plan, trained.model, trained.vocabulary, champion.model)
        outcome = export_and_register(source, trained, quality, progress)
        progress(TrainProgress(stage="judge", share_done=0.0, metrics=outcome.metrics))
        verdict = judge(outcome.bundle, quality, plan, champion)
        registry.judge(outcome.version, verdict)
    _log.info("model_judged", version=outcome.version, passed=verdict.passed)
    return replace(outcome, verdict=verdict)


def fit_snapshot(job: TrainJob, progress: Progress = lambda _: None) -> Trained:
    """Reads a snapshot and trains a model on it.

    Raises NothingToTrainError, CheckpointError, BaseError.
    """
    progress(TrainProgress(stage="read", share_done=0.0))
    if job.base is not None and job.incremental:
        return _fit_slice(job, job.base, progress)
    snapshot = job.source.read(until=job.until)
    start = None if job.base is None else Start(base=job.base)
    shown = _shown(job, snapshot.newest_ms)
    return fit_on(snapshot, job.config, progress, job.checkpoint, shown, start)


def _fit_slice(job: TrainJob, base: Base, progress: Progress) -> Trained:
    config = incremental_config(job.config)
    replay_share = config.incremental.replay_share
    read = read_slice(job.source, base, job.until, replay_share=replay_share, seed=config.seed)
    shown = _shown(job, read.snapshot.newest_ms)
    shown = shown_since(shown, read.known_ms, read.replayed)
    start = Start(base=base, replayed=read.replayed)
    return fit_on(read.snapshot, config, progress, job.checkpoint, shown, start)


def _shown(job: TrainJob, newest_ms: int) -> Shown:
    if job.config.pages_from == "constructed":
        return Shown()
    return read_shown(
        job.source, Reading(until=job.until, newest_ms=newest_ms, config=job.config.logged)
    )


def fit_on(
    snapshot: Snapshot,
    config: TrainConfig,
    progress: Progress = lambda _: None,
    checkpoint: Path | None = None,
    shown: Shown = Shown(),  # noqa: B008 (frozen)
    start: Start | None = None,
) -> Trained:
    """Trains a model on a snapshot, as it is, or from a base.

    Raises NothingToTrainError, CheckpointError, BaseError, CodebookError.
    """
    _log.info(
        "training_begins",
        users=len(snapshot.users),
        steps=snapshot.steps,
        pages_from=config.pages_from,
        logged_pages=len(shown.pages),
        base="" if start is None else start.base.version,
    )
    data = build_dataset(snapshot.catalog, snapshot.users, config.engagement, config.context, shown)
    if start is not None:
        refuse_unlike(start.base, config)
        data = begun(data, start)
    builder = PageBuilder(
        Pools(CompiledCatalog(snapshot.catalog), data.columns),
        next_row=next_row(snapshot.catalog),
        fallback_row=fallback_row(snapshot.catalog),
        config=config.page,
    )

    def told(at: FitProgress) -> None:
        progress(TrainProgress(stage="fit", share_done=at.share_done, fit=at))

    with threads(config.threads):
        data = with_codebook(data, builder, config, checkpoint, start)
        result = fit(data, builder, config, told, checkpoint, start)
    return Trained(
        model=result.model,
        vocabulary=data.vocabulary,
        config=config,
        positions=snapshot.positions,
        catalog=snapshot.catalog,
        sample=some_of(snapshot.users),
        users=len(snapshot.users),
        steps=snapshot.steps,
        fit=result,
        start=start,
    )


def evaluate_next_slice(
    source: Source, trained: Trained, progress: Progress = lambda _: None
) -> Quality:
    """Evaluates on all steps that began after the training positions.

    Raises NothingToTrainError if there are none.
    """
    progress(TrainProgress(stage="evaluate", share_done=0.0))
    snapshot = source.read(known=trained.positions)
    with threads(trained.config.threads):
        return next_slice_quality(
            trained.model, trained.vocabulary, snapshot.catalog, snapshot.users
        )


def evaluate_bundle(source: Source, bundle: Path, after: NextOffsets | None = None) -> Quality:
    """The same for a bundle directory; `after` None is where its training data ended."""
    model, vocabulary, manifest = load_model(bundle)
    positions = positions_of(manifest) if after is None else after
    snapshot = source.read(known=positions)
    with threads(TrainConfig().threads):
        return next_slice_quality(model, vocabulary, snapshot.catalog, snapshot.users)


def export_and_register(
    source: Source,
    trained: Trained,
    quality: Quality | None = None,
    progress: Progress = lambda _: None,
) -> TrainOutcome:
    """Publishes the bundle and registers it as challenger. Raises ParityError.

    Its embeddings are published in the axes of the champion's (step 6).
    """
    progress(TrainProgress(stage="export", share_done=0.0))
    metrics = quality.metrics() if quality is not None else {}
    metrics |= _forgotten(source, trained)
    data = data_facts(trained, quality)
    parent = "" if trained.start is None else trained.start.base.version
    bundles = source.paths.bundles
    with _registry(source) as registry:
        stable = _stabilised(trained, Before.find(registry, bundles, parent))
        data["stabilisation"] = stable.facts
        facts = BundleFacts(
            data=data,
            metrics=metrics | stable.metrics,
            config=trained.config.to_json(),
            parent_version=parent,
            stabilisation=stable.stabilisation,
        )
        manifest = write_bundle(bundles, trained.model, trained.vocabulary, facts)
        registry.register(
            manifest.version,
            parent_version=manifest.parent_version or None,
            metrics=manifest.metrics,
            data=data,
            code_version=code_version(),
            config=manifest.config,
        )
    _log.info("model_registered", version=manifest.version, **metrics)
    return TrainOutcome(
        version=manifest.version,
        bundle=bundles / manifest.version,
        metrics=dict(manifest.metrics),
        quality=quality,
    )


def _stabilised(trained: Trained, before: Before) -> Stabilised:
    with threads(trained.config.threads):
        return stabilise(trained.model, trained.vocabulary, trained.catalog, trained.sample, before)


def _forgotten(source: Source, trained: Trained) -> dict[str, float]:
    """How the model and its base predict what the base has learned from; nothing without a base."""
    if trained.start is None:
        return {}
    base = trained.start.base
    snapshot = source.read(until=trained.positions, known=base.positions)
    with threads(trained.config.threads):
        told = forgetting(base, trained.model, trained.vocabulary, snapshot.catalog, snapshot.users)
    return {} if told is None else told.metrics()


def data_facts(trained: Trained, quality: Quality | None) -> dict[str, JsonValue]:
    """What `manifest.data` and the registry tell of the training data and run."""
    return {
        **(FULL if trained.start is None else trained.start.facts()),
        "positions": told_positions(trained.positions),
        "catalog_number": trained.catalog.number,
        "users": trained.users,
        "steps": trained.steps,
        "optimizer_steps": trained.fit.steps,
        "epochs": trained.fit.epochs,
        "fit_seconds": trained.fit.seconds,
        "tokens_per_second": trained.fit.tokens_per_second,
        "padding": trained.fit.padding,
        "entity_loss": _known(trained.fit.entity_loss),
        "row_loss": _known(trained.fit.row_loss),
        "value_loss": _known(trained.fit.value_loss),
        "pages": dict(trained.fit.pages),
        "protocol": quality.protocol if quality is not None else "",
        **trained.facts,
    }


def _known(loss: float) -> float | None:
    """JSON has no NaN, which is the loss of a part that a training did not have."""
    return None if math.isnan(loss) else loss


@contextmanager
def _registry(source: Source) -> Iterator[Registry]:
    engine = connect(source.database_url or source.paths.database_url)
    try:
        migrate(engine)
        yield Registry(engine)
    finally:
        engine.dispose()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch computes with so many threads until the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
