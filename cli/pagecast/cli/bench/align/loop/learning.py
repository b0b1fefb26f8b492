"""How an arm learns a day: each kind of model by its own trainer.

Days that an earlier run has learned are not learned again: the newest model is loaded, and only the
pages of the days before it are needed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pagecast.cli.bench.align.loop.models import Models
from pagecast.engine.bundles.served_model import ServedBundle, load_served
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.pages.shown import ShownPage


@dataclass(frozen=True, kw_only=True)
class Day:
    """What there is to learn when a day is over.

    `members` are all steps of all members, the day's marked as new; `pages` are the day's.
    """

    number: int
    catalog: CatalogSnapshot
    members: tuple[UserSteps, ...]
    pages: Sequence[ShownPage]

    @property
    def new_steps(self) -> int:
        return sum(int(member.new_N.sum()) for member in self.members)


class Learner(ABC):
    """Learns day after day; `models` is where its bundles are."""

    def __init__(self, models: Models) -> None:
        self._models = models

    def learn(self, day: Day) -> ServedBundle | None:
        """The model of the next day; None if it is this day's.

        Takes every day in order, including those learned before.
        """
        self._remember(day)
        newest = self._models.newest
        if day.number < newest or not day.new_steps:
            return None
        if day.number > newest:
            self._train(day)
            self._models.forget_old()
        return load_served(self._models.bundle(day.number))

    @abstractmethod
    def _remember(self, day: Day) -> None:
        """What later days need of this one."""

    @abstractmethod
    def _train(self, day: Day) -> None:
        """Publishes the day's bundle at its place."""
