"""The training loop: packed pages, AdamW, a schedule that ends when its time is up."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import JsonValue

from pagecast.trainer.config import BudgetClock, TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.checkpoint import Checkpoint, Checkpoints
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.run import Run
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.starts.base import Start

_log = structlog.get_logger(__name__)

CLOCKS: Mapping[BudgetClock, Callable[[], float]] = {
    "wall": time.monotonic,
    "cpu": time.process_time,
}
"""The clock that a training's seconds are read from, by `budget_clock`."""


@dataclass(frozen=True, kw_only=True)
class FitProgress:
    """Where a training is. Losses are running means in nats, `eta_s` is the time left.

    Tokens are positions that are not padding; `padding` is the share of the others. `value_loss` is
    post-training's, NaN before it; during it the other two stand still.
    """

    step: int
    share_done: float
    entity_loss: float
    row_loss: float
    value_loss: float
    examples_per_second: float
    tokens_per_second: float
    padding: float
    eta_s: float


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A trained model in evaluation mode, and what it took, since the first step.

    `value_loss` is NaN without post-training. `pages` says what pages there were to learn from
    (`LoggedExamples.facts`) and how many were trained on, by kind.
    """

    model: PageModel
    steps: int
    epochs: float
    seconds: float
    entity_loss: float
    row_loss: float
    value_loss: float
    tokens_per_second: float
    padding: float
    pages: Mapping[str, JsonValue]


def fit(
    data: Dataset,
    builder: PageBuilder,
    config: TrainConfig,
    progress: Callable[[FitProgress], None] = lambda _: None,
    checkpoint: Path | None = None,
    start: Start | None = None,
) -> FitResult:
    """Trains a model from scratch, or on from the newest checkpoint in the folder `checkpoint`.

    With a `start` it begins with the weights of a base model instead.

    The same data, config and seed give the same weights as long as the budget of time does not
    end the loop, however often the training was killed and resumed. In a process group, every
    process trains on its share of every batch, and only the first one reports and writes.

    Raises NothingToTrainError if there is nothing, CheckpointError if the folder's checkpoints are
    damaged or another training's.
    """
    processes = Processes(CLOCKS[config.budget_clock])
    run = Run(data, builder, config, processes, start)
    keeper = _Keeper(run, processes, checkpoint, config.checkpoint_every_s)
    keeper.resume()
    while not run.schedule.done:
        run.step()
        keeper.keep()
        if processes.first:
            progress(_progress(run))
    keeper.keep(last=True)
    return _result(run)


def _progress(run: Run) -> FitProgress:
    schedule, meter = run.schedule, run.meter
    return FitProgress(
        step=schedule.step,
        share_done=schedule.share,
        entity_loss=meter.entity_loss,
        row_loss=meter.row_loss,
        value_loss=meter.value_loss,
        examples_per_second=meter.per_second("examples", schedule.seconds),
        tokens_per_second=meter.per_second("tokens", schedule.seconds),
        padding=meter.padding,
        eta_s=schedule.eta_s,
    )


def _result(run: Run) -> FitResult:
    schedule, meter = run.schedule, run.meter
    return FitResult(
        model=run.model.eval(),
        steps=schedule.step,
        epochs=schedule.step / run.examples.batches_per_epoch,
        seconds=schedule.seconds,
        entity_loss=meter.entity_loss,
        row_loss=meter.row_loss,
        value_loss=meter.value_loss,
        tokens_per_second=meter.per_second("tokens", schedule.seconds),
        padding=meter.padding,
        pages={**run.examples.logged.facts(), "trained_on": dict(meter.kinds)},
    )


class _Keeper:
    """Writes checkpoints when it is time to; does nothing without a folder."""

    def __init__(self, run: Run, processes: Processes, folder: Path | None, every_s: float) -> None:
        self._run, self._processes, self._every_s = run, processes, every_s
        self._files = None if folder is None else Checkpoints(folder)
        self._kept_step, self._kept_s = 0, 0.0

    def resume(self) -> None:
        """All processes go on from what the first one finds."""
        if self._files is None:
            return
        found = self._files.newest() if self._processes.first else b""
        if found := self._processes.from_first(found):
            self._run.resume(Checkpoint.from_bytes(found))
            self._now_kept()
            _log.info("training_resumed", step=self._kept_step)

    def keep(self, *, last: bool = False) -> None:
        """Writes a checkpoint if the newest is old enough, or if it is the last chance to.

        If it cannot be written, for lack of room, say, the training warns and goes on.
        """
        schedule = self._run.schedule
        due = last or schedule.seconds - self._kept_s >= self._every_s
        if self._files is None or not due or schedule.step == self._kept_step:
            return
        checkpoint = self._run.checkpoint()
        if self._processes.first:
            try:
                self._files.write(checkpoint)
            except OSError as error:
                _log.warning("checkpoint_not_written", reason=str(error))
        self._now_kept()

    def _now_kept(self) -> None:
        self._kept_step, self._kept_s = self._run.schedule.step, self._run.schedule.seconds
