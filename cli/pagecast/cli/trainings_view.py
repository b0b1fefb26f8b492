"""How trainings are shown: for people, and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import shorten
from typing import Any

from pagecast.cli.models_view import moment
from pagecast.cli.output import Output
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.trainings.records import Training, TrainingProgress

ERROR_CHARACTERS = 60
"""Characters of an error in a listing; `trainings watch` and `--json` show all of it."""


def show_trainings(output: Output, trainings: Sequence[Training]) -> None:
    """A line per training."""
    output.table(
        "",
        ("request", "state", "asked", "by", "progress", "model"),
        [
            (
                training.request_id,
                training.state.value,
                moment(training.asked_at_ms),
                training.asked_by,
                _short(training),
                training.version or "-",
            )
            for training in trainings
        ],
    )


def show_training(output: Output, training: Training) -> None:
    """One training."""
    facts = [
        ("request", training.request_id),
        ("state", training.state.value),
        ("asked", f"{moment(training.asked_at_ms)} by {training.asked_by}"),
        ("why", training.detail or "-"),
        ("model", training.version or "-"),
        ("attempts", str(training.attempt)),
    ]
    if training.error:
        facts.append(("error", training.error))
    if training.progress is not None:
        facts.append(("progress", line_of(training.progress)))
    output.table("", ("", ""), facts)


def line_of(progress: TrainingProgress) -> str:
    """How far a training is, in one line."""
    parts = [f"{progress.stage} {progress.share_done:.0%}", f"step {progress.step:,}"]
    if progress.entity_loss is not None:
        parts.append(f"loss {progress.entity_loss:.3f}")
    if progress.examples_per_second is not None:
        parts.append(f"{progress.examples_per_second:,.0f} examples/s")
    if progress.eta_s is not None:
        parts.append(f"{progress.eta_s:.0f} s left")
    if "ndcg_at_10" in progress.evaluation:
        parts.append(f"NDCG@10 {progress.evaluation['ndcg_at_10']:.4f}")
    return ", ".join(parts)


def refused_by(training: Training, registry: Registry) -> tuple[str, ...]:
    """The gate's criteria that a training's model does not meet."""
    if training.version is None:
        return ()
    verdict = registry.get(training.version).verdict
    return () if verdict is None else tuple(c.name for c in verdict.criteria if not c.passed)


def training_to_dict(training: Training) -> dict[str, Any]:
    told = asdict(training)
    told.pop("id")
    return told


def _short(training: Training) -> str:
    if training.error:
        return shorten(training.error, ERROR_CHARACTERS, placeholder=" …")
    if training.progress is None:
        return "-"
    return f"{training.progress.stage} {training.progress.share_done:.0%}"
