"""History becomes a model, a model becomes a bundle: the life of a model, steps 2, 4, 5, 7, 8.

`train` does all of it. A caller that gets the next slice only later (the demo) calls
`fit_snapshot`, `evaluate_next_slice` and `export_and_register` one after the other.
"""

from dataclasses import replace
from pathlib import Path

import structlog
from pydantic import JsonValue

from pagecast.featurestore.models.records import CHAMPION
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, build_dataset, fallback_row, next_row
from pagecast.trainer.data.slice_reading import read_slice
from pagecast.trainer.data.slices import shown_since
from pagecast.trainer.data.snapshot import NothingToTrainError, Snapshot, Source
from pagecast.trainer.evaluation.protocols.next_slice import (
    Quality,
    next_slice_quality,
    quality_on,
    slice_plan,
)
from pagecast.trainer.export.registering import export_and_register, registry_of
from pagecast.trainer.export.release import some_of
from pagecast.trainer.fitting.fit import FitProgress, fit
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.gate import Rival, judge
from pagecast.trainer.job import Fitting, Progress, Trained, TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.pages.logged import Reading, read_shown
from pagecast.trainer.pages.pools import Pools
from pagecast.trainer.pages.shown import Shown
from pagecast.trainer.semantic.teaching import with_codebook
from pagecast.trainer.starts.base import Base, Start, incremental_config, refuse_unlike
from pagecast.trainer.starts.begun import begun

_log = structlog.get_logger(__name__)


def train(
    job: TrainJob, progress: Progress = lambda _: None, fitting: Fitting | None = None
) -> TrainOutcome:
    """Trains, evaluates on what the log holds after `job.until`, exports, registers and judges.

    `fitting` is `fit_snapshot` unless another is given. Checkpoints stay: the caller removes them
    once the training is over. Raises NothingToTrainError without data, CheckpointError for another
    training's checkpoints, ParityError if an exported graph differs from the model.
    """
    trained = (fitting or fit_snapshot)(job, progress)
    # Entities launched since the training began are asked for, too.
    source = replace(job.source, catalog_number=None)
    if job.until is None:
        return export_and_register(source, trained, None, progress)
    return _release(source, trained, progress)


def _release(source: Source, trained: Trained, progress: Progress) -> TrainOutcome:
    """Evaluates beside the champion, exports, registers, and asks the gate.

    A slice that holds nothing to ask for leaves the model unjudged.
    """
    progress(TrainProgress(stage="evaluate", share_done=0.0))
    snapshot = source.read(known=trained.positions)
    try:
        plan = slice_plan(snapshot.catalog, snapshot.users)
    except NothingToTrainError as error:
        # The slice holds only searches, say. What took hours to learn is kept.
        _log.warning("model_not_judged", reason=str(error))
        return export_and_register(source, trained, None, progress)
    with registry_of(source) as registry:
        champion = Rival.of(registry.resolve(CHAMPION), source.paths.bundles)
        with threads(trained.config.threads):
            quality = quality_on(plan, trained.model, trained.vocabulary, champion.system)
        outcome = export_and_register(source, trained, quality, progress)
        progress(TrainProgress(stage="judge", share_done=0.0, metrics=outcome.metrics))
        users_min = trained.config.gate_users_min
        verdict = judge(outcome.bundle, quality, plan, champion, users_min)
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
    """Trains a model on a snapshot that has been read, from scratch or from a base.

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
        facts=_facts(data),
    )


def _facts(data: Dataset) -> dict[str, JsonValue]:
    if data.spelled_with is None:
        return {}
    return {"codebook": data.spelled_with.codebook.version}


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
