"""Pagecast's own model as a system: trained by the trainer, asked for its next entity.

Letters: Q requests, N entities of the evaluation.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.asked_model import AskedModel
from pagecast.trainer.evaluation.page_asked import MakePage
from pagecast.trainer.evaluation.page_making import bundle_pages
from pagecast.trainer.evaluation.requests import FitPart, Request
from pagecast.trainer.evaluation.system import Candidate, Family, Scores, Told
from pagecast.trainer.evaluation.training import Trainings
from pagecast.trainer.train import Trained

PAGECAST = "pagecast"


class PagecastSystem:
    """Its distribution after [prompt, ROW top], every entity eligible. Weights are the fit's."""

    learns = False
    says_probabilities = True

    def __init__(self, config: TrainConfig, trainings: Trainings | None = None) -> None:
        self._config = config
        self._trainings = trainings or Trainings()

    def fit(self, part: FitPart, told: Told) -> None:
        """Trains a model by the trainer's own code. Raises NothingToTrainError."""
        self._data = part.data
        self.trained: Trained = self._trainings.of(part, self._config, told)
        self._asked = AskedModel(self.trained.model, self.trained.vocabulary, part.data)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._asked.scores(requests)

    def reveal(self, interaction: int) -> None:
        """Weights are fixed; histories grow all the same."""

    def pages(self) -> AbstractContextManager[MakePage]:
        trained = self.trained
        return bundle_pages(trained.model, trained.vocabulary, trained.config, self._data.catalog)


def pagecast_family(
    seeds: tuple[int, ...], config: TrainConfig, trainings: Trainings | None = None
) -> Family:
    """One model a seed; it chooses nothing on validation."""

    def candidates(seed: int) -> list[Candidate]:
        of_seed = replace(config, seed=seed)
        return [Candidate(chosen={}, make=partial(PagecastSystem, of_seed, trainings))]

    return Family(name=PAGECAST, candidates=candidates, seeds=seeds)
