"""Trains a model incrementally on what came between two fit parts, by the trainer's own code.

Letters: U users, N steps of a user.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.slices import draw_replayed
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.evaluation.protocols.requests import FitPart
from pagecast.trainer.evaluation.systems.training import known_of
from pagecast.trainer.job import Progress, Trained
from pagecast.trainer.starts.base import Base, Start, incremental_config
from pagecast.trainer.train import fit_on


def retrained(
    last: Trained,
    before: FitPart,
    part: FitPart,
    config: TrainConfig,
    *,
    runs: int,
    progress: Progress = lambda _: None,
) -> Trained:
    """The model `last`, which knows `before`, after an incremental run on `part`.

    `runs` are the incremental runs of its line so far; `config` is a full run's. `last` stays as it
    is (docs/training.md). Raises NothingToTrainError.
    """
    config = incremental_config(config)
    snapshot, replayed = slice_of(before, part, config, runs)
    base = Base(model=last.model, vocabulary=last.vocabulary, positions={}, incremental_runs=runs)
    start = Start(base=base, replayed=replayed)
    return fit_on(snapshot, config, progress, start=start)


def slice_of(
    before: FitPart, part: FitPart, config: TrainConfig, runs: int
) -> tuple[Snapshot, frozenset[str]]:
    """What the incremental run after `runs` reads: users with new steps, and those replayed."""
    known = known_of(part)
    steps = dict(zip((u.user_id for u in before.data.users), before.steps_U.tolist(), strict=True))
    users = [_since(user, steps[user.user_id]) for user in known.users]
    new = sum(int(user.new_N.sum()) for user in users)
    share = config.incremental.replay_share
    replayed = draw_replayed(steps, new, share, (config.seed, runs))
    chosen = tuple(user for user in users if user.new_N.any() or user.user_id in replayed)
    return replace(known, users=chosen), replayed


def _since(user: UserSteps, known: int) -> UserSteps:
    new_N: npt.NDArray[np.bool_] = np.arange(len(user.steps)) >= known
    return replace(user, new_N=new_N)
