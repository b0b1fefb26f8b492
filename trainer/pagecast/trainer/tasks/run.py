"""`pagecast train --task`: labelled rows, prompts, a fitted head, its figures, its bundle."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog
import torch
from pydantic import JsonValue

from pagecast.engine.vectors.stabilisation import load_stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.starts.base import Base, load_base
from pagecast.trainer.tasks.bundle import TaskFacts, TaskManifest, write_task
from pagecast.trainer.tasks.config import TaskConfig
from pagecast.trainer.tasks.figures import figures_of
from pagecast.trainer.tasks.fitting import TaskData, Trunk, embedded, fit_frozen, fit_whole
from pagecast.trainer.tasks.head import TaskHead
from pagecast.trainer.tasks.prompts import NOTHING, prompts_of
from pagecast.trainer.tasks.rows import LabelKind, Task, TaskError, read_task

Progress = Callable[[str, float], None]
"""Told the stage and the share of it that is done."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class TaskJob:
    """Which rows are fitted on which model's bundle."""

    source: Source
    bundle: Path
    file: Path
    config: TaskConfig = field(default_factory=TaskConfig)


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """A published task."""

    manifest: TaskManifest
    folder: Path


def fit_task(job: TaskJob, progress: Progress = lambda _stage, _share: None) -> TaskOutcome:
    """Fits, tests on the newest rows, exports and publishes.

    Raises TaskError, BaseError, NothingToTrainError without a catalog, and ParityError.
    """
    progress("read", 0.0)
    task = read_task(job.file)
    base = load_base(job.bundle)
    if base.model.config.compress_keep:
        raise TaskError("--from: models with model.compress_keep above 0 take no tasks yet")
    if base.model.config.semantic:
        raise TaskError("--from: models of semantic IDs take no tasks yet: take one of entities")
    catalog = job.source.read_catalog()
    with threads(job.config.threads):
        trunk = Trunk.of(
            base.model,
            base.vocabulary,
            load_stabilisation(job.bundle),
            catalog_features(catalog, base.vocabulary),
        )
        prompts = prompts_of(job.source, task.rows, catalog, base.vocabulary)
        data = TaskData(
            prompts=prompts,
            entity_X=_indices(task, catalog),
            label_X=torch.from_numpy(task.label_X),
        )
        return _fitted(job, task, base, trunk, data, progress)


def _fitted(
    job: TaskJob, task: Task, base: Base, trunk: Trunk, data: TaskData, progress: Progress
) -> TaskOutcome:
    config = job.config
    fitted = fitted_rows(task, config.hold_out)
    width = trunk.user.user_OP.shape[1]
    head = TaskHead(task.kind, len(task.classes), width, of_entities=task.of_entities)
    progress("fit", 0.0)
    penalty = fit_frozen(head, trunk, data, fitted)
    metrics = _figures(head, trunk, data, fitted)
    if config.whole:
        frozen = {f"frozen_{name}": value for name, value in metrics.items()}
        fit_whole(head, trunk, data, fitted, config, lambda share: progress("fit", share))
        metrics = _figures(head, trunk, data, fitted) | frozen
    progress("export", 0.0)
    facts = TaskFacts(
        base_version=base.version,
        classes=task.classes,
        metrics=metrics,
        data=_told(task, data, fitted),
        config={**config.to_json(), "penalty": penalty},
        whole=config.whole,
    )
    folder = job.source.paths.tasks
    manifest = write_task(folder, head, trunk, base.vocabulary, facts)
    _log.info("task_fitted", version=manifest.version, **metrics)
    return TaskOutcome(manifest=manifest, folder=folder / manifest.version)


def fitted_rows(task: Task, hold_out: float) -> int:
    """How many of the rows are fitted on: no moment is on both sides.

    Raises TaskError if what is left cannot be fitted.
    """
    begin_ms = task.rows[-max(1, round(hold_out * len(task.rows)))].at_ms
    fitted = sum(row.at_ms < begin_ms for row in task.rows)
    different = len({row.label for row in task.rows[:fitted]})
    if different < 2:
        raise TaskError(
            f"`label`: the {fitted} rows before the newest {len(task.rows) - fitted} have "
            f"{different} different labels; at least two are needed: give older rows of others"
        )
    if task.kind is LabelKind.CLASS and fitted < len(task.classes):
        raise TaskError(f"`label`: {len(task.classes)} classes in {fitted} rows to fit on")
    return fitted


def _figures(head: TaskHead, trunk: Trunk, data: TaskData, fitted: int) -> dict[str, float]:
    with torch.no_grad():
        given = embedded(trunk, data, of_entities=head.of_entities)
        score_XK = head.eval()(*(table[fitted:] for table in given)).numpy()
    label_X = data.label_X.numpy()
    return figures_of(head.kind, score_XK, label_X[fitted:], label_X[:fitted])


def _indices(task: Task, catalog: CatalogSnapshot) -> torch.Tensor:
    """Catalog indices. Raises TaskError if the catalog knows none of the entities."""
    index = catalog.entity_index
    entity_X = [index.get(row.entity_id, NOTHING) for row in task.rows]
    if task.of_entities and max(entity_X) == NOTHING:
        raise TaskError(
            "`entity_id`: the catalog has none of them: publish the catalog, or name its entities"
        )
    return torch.tensor(entity_X)


def _told(task: Task, data: TaskData, fitted: int) -> Mapping[str, JsonValue]:
    return {
        "rows": len(task.rows),
        "rows_fitted": fitted,
        "rows_tested": len(task.rows) - fitted,
        "prompts": len(data.prompts.prompts),
        "prompts_without_history": data.prompts.strangers,
        "rows_of_unknown_entities": int((data.entity_X == NOTHING).sum())
        if task.of_entities
        else 0,
        "tested_from_ms": task.rows[fitted].at_ms,
    }
