"""Step 9: what was just published is learned, and the new model serves while somebody reads on."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from rich.markup import escape
from rich.progress import Progress, TaskID

from pagecast.cli.demo.reader import Read, Reader
from pagecast.cli.demo.stage import POLL_SECONDS, CheckFailedError, Deadline, Stage
from pagecast.cli.progress import progress_bar
from pagecast.cli.training.bar import STAGES
from pagecast.featurestore.models.records import ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion
from pagecast.v1 import training_pb2

HOLD_OUT = 0.3
"""Share of the new events' time kept for the gate, which has nothing else to judge by: a fifth has
hardly as many users as it wants to ask."""

BUDGET_MINUTES = 0.2
"""Of the training loop: the step should take about a minute in all, on one core beside a server."""

TRAINING_SECONDS_MAX = 1800.0
"""A training that takes longer is broken, not slow: it needs about a minute, or ten on a machine
with ten others."""

PAGES_AFTER = 10
"""Pages read after the new model's first one: none may be of the old one."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What became of the training and of the readers. Seconds count from asking for it."""

    version: str
    criteria: tuple[Criterion, ...]
    """The gate's criteria."""
    training_seconds: float
    """Until the model was made, judged and, if the gate let it through, promoted."""
    page_seconds: float | None
    """Until the first page of the new model was complete; None if the gate has refused it."""
    cost_share: float
    """Seconds of the training loop times its threads, as a share of the first training's."""
    pages: Sequence[Read]
    """Those read meanwhile."""

    @property
    def refused_by(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria if not criterion.passed)

    @property
    def degraded(self) -> int:
        return sum(page.degraded for page in self.pages)


def show_retraining(
    stage: Stage, registry: Registry, serving: str, users: Sequence[str], budget_minutes: float
) -> Learned:
    """Asks for an incremental training of what is new since `serving`, and follows it.

    Raises CheckFailedError if it makes no model, if a page failed meanwhile, or if somebody's pages
    are not first the old model's and then the promoted one's. A model that the gate refuses is no
    failure: the serving one goes on.
    """
    request = training_pb2.StartTrainingRequest(
        request_id=f"demo-{uuid4().hex}",
        kind=training_pb2.TRAINING_KIND_INCREMENTAL,
        hold_out=HOLD_OUT,
        budget_minutes=min(budget_minutes, BUDGET_MINUTES),
        profile="tiny",
        detail="the demo's last act",
    )
    with Reader(stage, users) as reader:
        begin = time.perf_counter()
        stage.client.start_training(request)
        version = _follow(stage, request.request_id)
        training_seconds = time.perf_counter() - begin
        record = registry.get(version)
        passed = record.verdict is not None and record.verdict.passed
        first = _first_page(reader, version) if passed else None
    learned = Learned(
        version=version,
        criteria=() if record.verdict is None else record.verdict.criteria,
        training_seconds=training_seconds,
        page_seconds=None if first is None else first.at_s - begin,
        cost_share=_core_seconds(record) / _core_seconds(registry.get(serving)),
        pages=tuple(reader.pages),
    )
    _check(reader, [serving] if first is None else [serving, version])
    _tell(stage, learned, serving)
    return learned


def _follow(stage: Stage, request_id: str) -> str:
    """Shows how far the training is, until its end; returns the version it made."""
    training = training_pb2.Training()
    with progress_bar(stage.console) as progress:
        bars = _Bars(progress)
        for training in stage.client.watch_training(request_id, TRAINING_SECONDS_MAX):
            bars.show(training)
    if training.state != training_pb2.TRAINING_STATE_SUCCEEDED:
        name = training_pb2.TrainingState.Name(training.state).removeprefix("TRAINING_STATE_")
        raise CheckFailedError(f"the training has {name.lower()}: {training.error}")
    return training.model_version


class _Bars:
    """A bar for each stage of a training, as watching it reports them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, training: training_pb2.Training) -> None:
        at = training.progress
        stage = at.stage or "wait"
        if stage not in self._tasks:
            for task in self._tasks.values():
                self._progress.update(task, completed=1.0)
            name = STAGES.get(stage, "a trainer takes it up")
            self._tasks[stage] = self._progress.add_task(name, total=1.0, note="")
        note = ""
        if stage == "fit" and at.HasField("entity_loss"):
            note = f"loss {at.entity_loss:.3f} · {at.examples_per_second:,.0f} examples/s"
        done = 1.0 if training.state == training_pb2.TRAINING_STATE_SUCCEEDED else at.share_done
        self._progress.update(self._tasks[stage], completed=done, note=note)


def _first_page(reader: Reader, version: str) -> Read:
    """The first page of the new model, once a few more have been read."""
    deadline = Deadline()
    while (first := reader.first_of(version)) is None:
        deadline.check(f"no page was of the new model {version}")
        time.sleep(POLL_SECONDS)
    deadline, wanted = Deadline(), len(reader.pages) + PAGES_AFTER
    while len(reader.pages) + len(reader.failures) < wanted:
        deadline.check(f"fewer than {PAGES_AFTER} more pages could be read")
        time.sleep(POLL_SECONDS)
    return first


def _check(reader: Reader, versions: Sequence[str]) -> None:
    if reader.failures:
        raise CheckFailedError(
            f"{len(reader.failures)} pages failed while the model was trained and replaced; "
            f"the first: {reader.failures[0]}"
        )
    # People come over one by one: each gets pages of the old model, then of the new one.
    for told in map(reader.versions, reader.users):
        if told == [version for version in versions if version in told]:
            continue
        raise CheckFailedError(
            f"somebody's pages were of {', '.join(told)}, not of {', '.join(versions)}"
        )


def _core_seconds(record: ModelRecord) -> float:
    """What the training loop took of the machine: the two trainings differ in threads."""
    return _number(record.data, "fit_seconds") * _number(record.config, "threads")


def _number(told: Mapping[str, Any], name: str) -> float:
    return float(told[name])


def _tell(stage: Stage, learned: Learned, serving: str) -> None:
    say = stage.console.print
    for criterion in learned.criteria:
        mark = "[green]✓[/]" if criterion.passed else "[yellow]✗[/]"
        say(f"  {mark} {criterion.name}: {escape(criterion.told)}")
    say(
        f"  {len(learned.pages)} pages were read meanwhile, none failed, "
        f"{learned.degraded} were degraded"
    )
    if learned.page_seconds is None:
        say(
            f"  [yellow]the gate refuses {learned.version} "
            f"({', '.join(learned.refused_by) or 'it was not asked'}): {serving} serves on[/]"
        )
    else:
        say(
            f"  first page of [bold]{learned.version}[/] [bold]{learned.page_seconds:.1f} s[/] "
            f"after it was asked for; its training loop took {learned.cost_share:.1%} of the "
            "first one's core seconds"
        )
