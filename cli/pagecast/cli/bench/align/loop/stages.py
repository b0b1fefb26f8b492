"""The multi-stage baseline learns a day by being fitted again on everything there is."""

from collections.abc import Sequence
from pathlib import Path

from pagecast.cli.bench.align.loop.learning import Day, Learner
from pagecast.cli.bench.align.loop.models import Models
from pagecast.engine.multi_stage.bundle import load_multi_stage
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.train import fit_baseline, write_baseline


def train_first(place: Path, snapshot: Snapshot, seed: int) -> None:
    """Fits on the data alone, choosing EASE's weights."""
    _publish(place, snapshot, MultiStageConfig(seed=seed))


class StagesLearner(Learner):
    """EASE's weights stay as first chosen: choosing them is most of the cost, and a day is a
    hundredth of the data."""

    def __init__(self, models: Models, first: Path, people: Sequence[UserSteps]) -> None:
        super().__init__(models)
        self._people = people
        bundle = load_multi_stage(first)
        told = bundle.manifest.config
        self._config = MultiStageConfig(
            seed=int(str(told["seed"])),
            regularisations=(float(str(told["regularisation"])),),
            halves=(bundle.tables.history_half,),
        )

    def _remember(self, day: Day) -> None:
        """Remembers nothing: a day is fitted on all that was before it."""

    def _train(self, day: Day) -> None:
        users = (*self._people, *day.members)
        snapshot = Snapshot(catalog=day.catalog, users=users, positions={})
        _publish(self._models.place(day.number), snapshot, self._config)


def _publish(place: Path, snapshot: Snapshot, config: MultiStageConfig) -> None:
    write_baseline(place, fit_baseline(snapshot, config), snapshot, config)
