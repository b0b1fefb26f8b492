"""A training on the terminal: a bar with the stage, the loss and the speed."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

from pagecast.cli.progress import progress_bar
from pagecast.trainer.job import Progress as TrainerProgress
from pagecast.trainer.job import TrainProgress

STAGES = {
    "read": "reading the feature store",
    "fit": "training",
    "reward": "training reward models",
    "align": "aligning",
    "evaluate": "evaluating",
    "export": "exporting",
    "judge": "judging",
}
"""What the trainer's stages are called on the terminal."""


@contextmanager
def training_bar(console: Console) -> Iterator[TrainerProgress]:
    """A bar for the trainer's progress: the stage, the loss and the speed."""
    with progress_bar(console) as progress:
        bar = _Bar(progress)
        yield bar.show


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, at: TrainProgress) -> None:
        if at.stage not in self._tasks:
            name = STAGES.get(at.stage, at.stage)
            self._tasks[at.stage] = self._progress.add_task(name, total=1.0, note="")
        note = ""
        if at.fit is not None:
            losses = f"loss {at.fit.entity_loss:.3f}, of rows {at.fit.row_loss:.3f}"
            if not math.isnan(at.fit.value_loss):
                losses = f"loss of values {at.fit.value_loss:.3f}"
            speed = f"{at.fit.tokens_per_second:,.0f} tokens/s, padding {at.fit.padding:.0%}"
            note = f"{losses} · {speed}"
        if at.align is not None:
            note = f"reward {at.align.reward:+.3f}, judged {at.align.judged:+.3f}"
            note += f", KL {at.align.kl:.4f}"
        self._progress.update(self._tasks[at.stage], completed=at.share_done, note=note)
