"""From the feature store to a registered model: `pagecast train --align`.

The model begins as a base, learns from its logged pages, and is exported, registered and gated like
any other. Alignment runs in one process: the caller refuses groups of processes.
"""

from dataclasses import asdict, replace

from pydantic import JsonValue, TypeAdapter

from pagecast.featurestore.offline import NextOffsets
from pagecast.featurestore.offline.files import write_whole
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.on_pages import AlignedOnPages, align_on_pages
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.export.release import some_of
from pagecast.trainer.fitting.fit import FitResult
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import Progress, Trained, TrainJob, TrainOutcome, TrainProgress
from pagecast.trainer.pages.logged import Reading, read_shown
from pagecast.trainer.starts.base import Base, BaseError, Start, told_positions
from pagecast.trainer.train import train

REPORT_FILE = "reward-models.html"
"""In the training's folder: figures and calibration curves of the reward models."""


def align_job(job: TrainJob, progress: Progress = lambda _: None) -> TrainOutcome:
    """Aligns, evaluates, exports, registers and judges, as `train` does.

    Raises BaseError without a base, and what `align_on_pages` and `train` raise.
    """
    return train(job, progress, align_snapshot)


def align_snapshot(job: TrainJob, progress: Progress = lambda _: None) -> Trained:
    """Reads pages and aligns the base on them."""
    base, config = job.base, job.config.align
    if base is None or config is None:
        raise BaseError("align: there is no model to begin from: train one first, or name it")
    if base.model.config.semantic:
        raise BaseError(
            "align: a model of semantic IDs cannot be aligned yet: take one of entities"
        )
    progress(TrainProgress(stage="read", share_done=0.0))
    snapshot = job.source.read(until=job.until)
    reading = Reading(until=job.until, newest_ms=snapshot.newest_ms, config=job.config.logged)
    shown = read_shown(job.source, reading)
    champion = Policy(model=base.model, vocabulary=base.vocabulary, catalog=snapshot.catalog)

    def told(at: AlignProgress) -> None:
        progress(TrainProgress(stage="align", share_done=at.share_done, align=at))

    progress(TrainProgress(stage="reward", share_done=0.0))
    with threads(job.config.threads):
        done = align_on_pages(
            champion,
            shown.pages,
            config,
            table=job.config.reward,
            progress=told,
            checkpoint=job.checkpoint,
            budget_s=job.config.budget_minutes * 60.0,
        )
    if job.checkpoint is not None:
        write_whole(job.checkpoint / REPORT_FILE, _report_page(done).encode())
    return Trained(
        model=done.aligned.policy.model,
        vocabulary=base.vocabulary,
        config=replace(job.config, model=base.model.config),
        positions=snapshot.positions,
        catalog=snapshot.catalog,
        sample=some_of(snapshot.users),
        users=len(snapshot.users),
        steps=snapshot.steps,
        fit=_fit_result(done, len(shown.pages)),
        start=Start(base=base),
        facts=_facts(done, config, base, snapshot.positions),
    )


def _fit_result(done: AlignedOnPages, pages: int) -> FitResult:
    """Of a run that has no pretraining: there are no such losses."""
    nan = float("nan")
    return FitResult(
        model=done.aligned.policy.model,
        steps=done.aligned.steps,
        epochs=0.0,
        seconds=done.aligned.seconds,
        entity_loss=nan,
        row_loss=nan,
        value_loss=nan,
        tokens_per_second=0.0,
        padding=0.0,
        pages={"from": "logged", "logged": pages},
    )


def _report_page(done: AlignedOnPages) -> str:
    return (
        '<!doctype html><meta charset="utf-8"><title>Reward models</title>'
        "<h1>Reward models</h1><p>Of members they have not learned from. A page's reward is in "
        "units of the reward table, a preference a share of the best outcome's.</p>"
        f"{done.models.report.html()}"
    )


def _facts(
    done: AlignedOnPages, config: AlignConfig, base: Base, positions: NextOffsets
) -> dict[str, JsonValue]:
    """For the manifest: what kind of model it is, what reward it had, and what came of it.

    `positions` is where the data of its pages end. No history was learned: what the base has not
    learned is still new to a training that goes on from here.
    """
    told: dict[str, JsonValue] = {
        "positions": told_positions(positions),
        "reward_models": done.models.report.to_json(),
    }
    for name, at in (("first_round", done.aligned.first), ("last_round", done.aligned.last)):
        told[name] = {k: v for k, v in asdict(at).items() if k != "eta_s"} if at else None
    facts = {
        "kind": "aligned",
        "positions": told_positions(base.positions),
        "incremental_runs": base.incremental_runs,
        "align": {"credit": config.credit, **told},
    }
    return TypeAdapter(dict[str, JsonValue]).validate_python(facts)
