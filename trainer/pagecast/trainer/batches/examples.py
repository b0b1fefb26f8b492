"""What pretraining learns from: histories, and pages after their cuts.

Users who have logged pages learn from those; pages of others are constructed, unless only logged
ones are asked for. Openings belong to the history's objective, and every user has them.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.drawing import Drawing, entities_ahead
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.data.users import Window, windows
from pagecast.trainer.pages.constructed import PageBuilder, PageRow
from pagecast.trainer.pages.logged_examples import LoggedExamples


class Examples(Drawing):
    """All windows of a data set, those of logged pages among them, and pages after their cuts.

    Raises NothingToTrainError if no user has a cut with something after it, or if logged pages
    alone are asked for and there are none.
    """

    def __init__(self, data: Dataset, builder: PageBuilder, config: TrainConfig) -> None:
        keep = config.model.compress_keep
        of_users = [
            window
            for number, (user, cuts) in enumerate(zip(data.users, data.learned(), strict=True))
            for window in windows(number, user, cuts, data.catalog, data.vocabulary, keep)
        ]
        if not of_users:
            raise NothingToTrainError("no steps to train on: ingest interaction events first")
        logged = LoggedExamples(data, config, next_row=builder.next_row)
        super().__init__(
            data,
            builder,
            config,
            logged=logged,
            windows=[*of_users, *logged.imitated],
            history={id(window): next_entities(data, window, config) for window in of_users},
        )

    def _pages_of(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        if self.logged.page_of(window) is None:
            return self._constructed(window, rng)
        page = self.logged.imitation(window)
        return [dataclasses.replace(page, rows=self._some_unknown(page.rows, rng))]

    def _some_unknown(self, rows: Sequence[PageRow], rng: np.random.Generator) -> list[PageRow]:
        """Presents rows of a logged page as unknown as often as those of constructed ones."""
        unknown = (rng.random(len(rows)) < self.config.page.row_fallback).tolist()
        return [
            dataclasses.replace(row, row=self.builder.fallback_row) if hide else row
            for row, hide in zip(rows, unknown, strict=True)
        ]


def next_entities(data: Dataset, window: Window, config: TrainConfig) -> Targets:
    """The history's objective: at every step's request, the entities chosen from it on.

    The step itself is the first, whatever happened at the same moment before it.
    """
    cuts = window.cuts_C.tolist()
    chosen = [entities_ahead(data, window, cut, config) for cut in cuts]
    requests = [window.request(cut) for cut in cuts]
    return Targets.of(requests, chosen, config.objective.ahead_decay)
