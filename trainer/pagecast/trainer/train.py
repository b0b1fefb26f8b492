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
from pydantic import JsonValue, TypeAdapter

from pagecast.engine.manifest import Manifest
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.model_records import CHAMPION
from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.registry import Registry
from pagecast.featurestore.verdicts import Verdict
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.bundle import BundleFacts, load_model, write_bundle
from pagecast.trainer.checkpoint import Checkpoints
from pagecast.trainer.code_version import code_version
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data import build_dataset, fallback_row, next_row
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
from pagecast.trainer.shown import Shown
from pagecast.trainer.snapshot import Snapshot, Source

Progress = Callable[["TrainProgress"], None]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """Where a training is; `fit` is set while `stage` is "fit", `metrics` once it is "judge"."""

    stage: str
    share_done: float
    fit: FitProgress | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """What to train on. `until` limits the data (log positions, exclusive); None is all of it.

    With a folder for checkpoints, a training goes on from the newest one there.
    """

    source: Source
    config: TrainConfig = field(default_factory=TrainConfig)
    until: NextOffsets | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model that is not yet a bundle, and what it was trained on."""

    model: PageModel
    vocabulary: Vocabulary
    config: TrainConfig
    positions: NextOffsets
    catalog_number: int
    users: int
    steps: int
    fit: FitResult


@dataclass(frozen=True, kw_only=True)
class TrainOutcome:
    """A registered bundle (the challenger)."""

    version: str
    bundle: Path
    metrics: dict[str, float]
    quality: Quality | None
    verdict: Verdict | None = None
    """The gate's, which is asked if there was a slice to evaluate on."""


def train(job: TrainJob, progress: Progress = lambda _: None) -> TrainOutcome:
    """Trains, evaluates on what the log holds after `job.until`, exports, registers and judges.

    Once the model is judged, the training's checkpoints are removed. Raises
    NothingToTrainError without data, CheckpointError for checkpoints of something else,
    ParityError if an exported graph is not the model.
    """
    trained = fit_snapshot(job, progress)
    if job.until is None:
        outcome = export_and_register(job.source, trained, None, progress)
    else:
        outcome = _release(job.source, trained, progress)
    if job.checkpoint is not None:
        Checkpoints(job.checkpoint).clear()
    return outcome


def _release(source: Source, trained: Trained, progress: Progress) -> TrainOutcome:
    """Evaluates beside the champion, exports, registers, and asks the gate."""
    progress(TrainProgress(stage="evaluate", share_done=0.0))
    snapshot = source.read(known=trained.positions)
    plan = slice_plan(snapshot.catalog, snapshot.users)
    with _registry(source) as registry:
        champion = Rival.of(registry.resolve(CHAMPION), source.paths.bundles)
        with _threads(trained.config.threads):
            quality = quality_on(plan, trained.model, trained.vocabulary, champion.model)
        outcome = export_and_register(source, trained, quality, progress)
        progress(TrainProgress(stage="judge", share_done=0.0, metrics=outcome.metrics))
        verdict = judge(outcome.bundle, quality, plan, champion)
        registry.judge(outcome.version, verdict)
    _log.info("model_judged", version=outcome.version, passed=verdict.passed)
    return replace(outcome, verdict=verdict)


def fit_snapshot(job: TrainJob, progress: Progress = lambda _: None) -> Trained:
    """Reads a snapshot and trains a model on it. Raises NothingToTrainError, CheckpointError."""
    progress(TrainProgress(stage="read", share_done=0.0))
    snapshot = job.source.read(until=job.until)
    shown = Shown()
    if job.config.pages_from != "constructed":
        reading = Reading(until=job.until, newest_ms=snapshot.newest_ms, config=job.config.logged)
        shown = read_shown(job.source, reading)
    return fit_on(snapshot, job.config, progress, job.checkpoint, shown)


def fit_on(
    snapshot: Snapshot,
    config: TrainConfig,
    progress: Progress = lambda _: None,
    checkpoint: Path | None = None,
    shown: Shown = Shown(),  # noqa: B008 (frozen)
) -> Trained:
    """Trains a model on a snapshot. Raises NothingToTrainError, CheckpointError."""
    _log.info(
        "training_begins",
        users=len(snapshot.users),
        steps=snapshot.steps,
        pages_from=config.pages_from,
        logged_pages=len(shown.pages),
    )
    data = build_dataset(snapshot.catalog, snapshot.users, config.engagement, config.context, shown)
    builder = PageBuilder(
        Pools(CompiledCatalog(snapshot.catalog), data.columns),
        next_row=next_row(snapshot.catalog),
        fallback_row=fallback_row(snapshot.catalog),
        config=config.page,
    )
    with _threads(config.threads):
        result = fit(
            data,
            builder,
            config,
            lambda at: progress(TrainProgress(stage="fit", share_done=at.share_done, fit=at)),
            checkpoint,
        )
    return Trained(
        model=result.model,
        vocabulary=data.vocabulary,
        config=config,
        positions=snapshot.positions,
        catalog_number=snapshot.catalog.number,
        users=len(snapshot.users),
        steps=snapshot.steps,
        fit=result,
    )


def evaluate_next_slice(
    source: Source, trained: Trained, progress: Progress = lambda _: None
) -> Quality:
    """Evaluates on all steps that began after the training positions.

    Raises NothingToTrainError if there are none.
    """
    progress(TrainProgress(stage="evaluate", share_done=0.0))
    snapshot = source.read(known=trained.positions)
    with _threads(trained.config.threads):
        return next_slice_quality(
            trained.model, trained.vocabulary, snapshot.catalog, snapshot.users
        )


def evaluate_bundle(source: Source, bundle: Path, after: NextOffsets | None = None) -> Quality:
    """The same for a bundle directory; `after` None is where its training data ended."""
    model, vocabulary, manifest = load_model(bundle)
    positions = _positions_of(manifest) if after is None else after
    snapshot = source.read(known=positions)
    with _threads(TrainConfig().threads):
        return next_slice_quality(model, vocabulary, snapshot.catalog, snapshot.users)


def export_and_register(
    source: Source,
    trained: Trained,
    quality: Quality | None = None,
    progress: Progress = lambda _: None,
) -> TrainOutcome:
    """Publishes the bundle and registers it as challenger. Raises ParityError."""
    progress(TrainProgress(stage="export", share_done=0.0))
    metrics = quality.metrics() if quality is not None else {}
    data = _data_facts(trained, quality)
    facts = BundleFacts(data=data, metrics=metrics, config=trained.config.to_json())
    manifest = write_bundle(source.paths.bundles, trained.model, trained.vocabulary, facts)
    with _registry(source) as registry:
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
        bundle=source.paths.bundles / manifest.version,
        metrics=dict(manifest.metrics),
        quality=quality,
    )


def _data_facts(trained: Trained, quality: Quality | None) -> dict[str, JsonValue]:
    """What `manifest.data` and the registry tell of the training data and run."""
    return {
        "positions": [
            {"topic_id": topic_id, "partition": partition, "next_offset": next_offset}
            for (topic_id, partition), next_offset in sorted(trained.positions.items())
        ],
        "catalog_number": trained.catalog_number,
        "users": trained.users,
        "steps": trained.steps,
        "optimizer_steps": trained.fit.steps,
        "epochs": trained.fit.epochs,
        "fit_seconds": trained.fit.seconds,
        "tokens_per_second": trained.fit.tokens_per_second,
        "padding": trained.fit.padding,
        "entity_loss": trained.fit.entity_loss,
        "row_loss": trained.fit.row_loss,
        "value_loss": None if math.isnan(trained.fit.value_loss) else trained.fit.value_loss,
        "pages": dict(trained.fit.pages),
        "protocol": quality.protocol if quality is not None else "",
    }


def _positions_of(manifest: Manifest) -> dict[tuple[str, int], int]:
    entries = TypeAdapter(list[_Position]).validate_python(manifest.data["positions"])
    return {(e.topic_id, e.partition): e.next_offset for e in entries}


@dataclass(frozen=True, kw_only=True)
class _Position:
    topic_id: str
    partition: int
    next_offset: int


@contextmanager
def _registry(source: Source) -> Iterator[Registry]:
    engine = connect(source.database_url or source.paths.database_url)
    try:
        migrate(engine)
        yield Registry(engine)
    finally:
        engine.dispose()


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
