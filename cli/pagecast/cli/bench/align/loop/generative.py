"""A generative model learns a day by an incremental run, on the pages it served."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pagecast.cli.bench.align.loop.config import Arm
from pagecast.cli.bench.align.loop.learning import Day, Learner
from pagecast.cli.bench.align.loop.models import FIRST, Models
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.slices import draw_replayed
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.export.refilling import Former
from pagecast.trainer.job import Trained
from pagecast.trainer.pages.shown import Shown, ShownPage
from pagecast.trainer.starts.base import Base, Start, incremental_config, load_base, told_positions
from pagecast.trainer.train import fit_on

TRAINING_MINUTES_MAX = 240.0
"""So long that passes end a training even on a busy machine, and a run can be repeated."""


def train_config(config: TrainConfig, seed: int) -> TrainConfig:
    """Of the model that all generative arms of a seed begin with."""
    return replace(config, seed=seed, threads=1, budget_minutes=TRAINING_MINUTES_MAX)


def train_first(
    place: Path,
    snapshot: Snapshot,
    config: TrainConfig,
    checkpoints: Path,
    told: Callable[[float], None] = lambda _: None,
) -> None:
    """Trains on the data alone, from pages constructed of it; goes on from `checkpoints`."""
    trained = fit_on(snapshot, config, lambda at: told(at.share_done), checkpoints)
    _publish(place, trained, runs=0)
    shutil.rmtree(checkpoints, ignore_errors=True)


class GenerativeLearner(Learner):
    """`first` is the bundle that the arm begins with, `people` are the users it was trained on."""

    def __init__(
        self,
        models: Models,
        first: Path,
        people: Sequence[UserSteps],
        config: TrainConfig,
        arm: Arm,
    ) -> None:
        super().__init__(models)
        self._first, self._people = first, people
        self._config = replace(
            incremental_config(config),
            pages_from=arm.pages_from,
            presentation=replace(config.presentation, correct=arm.correct),
        )
        self._base: Base | None = None
        self._earlier: list[ShownPage] = []
        self._pages: list[ShownPage] = []

    def _remember(self, day: Day) -> None:
        self._earlier += self._pages
        self._pages = list(day.pages)

    def _train(self, day: Day) -> None:
        base = self._base or load_base(self._newest)
        replayed = self._replayed(day, base.incremental_runs)
        everybody = (*self._people, *day.members)
        users = tuple(u for u in everybody if u.new_N.any() or u.user_id in replayed)
        snapshot = Snapshot(catalog=day.catalog, users=users, positions={})
        again = [page for page in self._earlier if page.user_id in replayed]
        shown = Shown(pages=(*again, *self._pages))
        start = Start(base=base, replayed=replayed)
        trained = fit_on(snapshot, self._config, shown=shown, start=start)
        runs = base.incremental_runs + 1
        former = Former.of(self._newest, base.model, base.vocabulary)
        _publish(self._models.place(day.number), trained, runs=runs, former=former)
        self._base = Base(
            model=trained.model,
            vocabulary=trained.vocabulary,
            positions={},
            incremental_runs=runs,
        )

    @property
    def _newest(self) -> Path:
        """The bundle of the last day that was learned, or the one the arm began with."""
        newest = self._models.newest
        return self._first if newest == FIRST else self._models.bundle(newest)

    def _replayed(self, day: Day, runs: int) -> frozenset[str]:
        old = {user.user_id: int((~user.new_N).sum()) for user in (*self._people, *day.members)}
        share = self._config.incremental.replay_share
        return draw_replayed(old, day.new_steps, share, (self._config.seed, runs))


def _publish(place: Path, trained: Trained, *, runs: int, former: Former | None = None) -> None:
    facts = BundleFacts(
        data={"positions": told_positions({}), "incremental_runs": runs},
        metrics={},
        config=trained.config.to_json(),
    )
    write_bundle(place, trained.model, trained.vocabulary, facts, former=former)
