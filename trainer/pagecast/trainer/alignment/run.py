"""The loop of an alignment: round after round, and checkpoints on the way."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.alignment.rewards import Judge, Rewards
from pagecast.trainer.alignment.rounds import AlignRun
from pagecast.trainer.fitting.checkpoint import Checkpoint, Checkpoints

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """An aligned model in evaluation mode; `told` is every round's `AlignProgress`, `seconds` what
    all of them took. After a resume, `told` has only the rounds since then; `first` and `last` are
    those of the whole run, None if it had no round."""

    policy: Policy
    steps: int
    seconds: float
    told: tuple[AlignProgress, ...]
    first: AlignProgress | None
    last: AlignProgress | None


def align(
    champion: Policy,
    asks: Sequence[Ask],
    config: AlignConfig,
    rewards: Rewards,
    *,
    judge: Judge | None = None,
    progress: Callable[[AlignProgress], None] = lambda _: None,
    checkpoint: Path | None = None,
    budget_s: float = math.inf,
) -> Aligned:
    """Moves a copy of the champion towards pages of greater reward.

    `judge` is asked about the same pages and only reported. With a folder for checkpoints it goes
    on from the newest one there.

    Raises RewardError if a reward or a loss is not finite: the newest checkpoint stays. Raises
    CheckpointError for checkpoints of another run.
    """
    run = AlignRun(champion, asks, config, rewards, judge=judge, budget_s=budget_s)
    files = None if checkpoint is None else Checkpoints(checkpoint)
    if files is not None and (found := files.newest()):
        run.resume(Checkpoint.from_bytes(found))
        _log.info("alignment_resumed", step=run.schedule.step)
    told, kept_s = [], run.schedule.seconds
    while not run.schedule.done:
        told.append(run.step())
        due = run.schedule.done or run.schedule.seconds - kept_s >= config.checkpoint_every_s
        if files is not None and due:
            _keep(files, run)
            kept_s = run.schedule.seconds
        progress(told[-1])
    return Aligned(
        policy=replace(run.policy, model=run.policy.model.eval()),
        steps=run.schedule.step,
        seconds=run.schedule.seconds,
        told=tuple(told),
        first=run.first,
        last=run.last,
    )


def _keep(files: Checkpoints, run: AlignRun) -> None:
    """If a checkpoint cannot be written, for lack of room, say, the run warns and goes on."""
    try:
        files.write(run.checkpoint())
    except OSError as error:
        _log.warning("checkpoint_not_written", reason=str(error))
