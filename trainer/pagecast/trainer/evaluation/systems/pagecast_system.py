"""Pagecast's own model as a system: trained by the trainer, asked for its next entity.

Letters: Q requests, N entities of the evaluation.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.launches import without_metadata
from pagecast.trainer.evaluation.pages.page_asked import MakePage
from pagecast.trainer.evaluation.pages.page_making import bundle_pages
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.asked_model import AskedModel
from pagecast.trainer.evaluation.systems.retraining import retrained
from pagecast.trainer.evaluation.systems.system import Candidate, Family, Scores, Told
from pagecast.trainer.evaluation.systems.training import Trainings
from pagecast.trainer.job import Trained

PAGECAST, WITHOUT_METADATA = "pagecast", "pagecast-no-metadata"
SEMANTIC_IDS = "pagecast-semantic-ids"


class PagecastSystem:
    """Its distribution after [prompt, ROW top], every entity eligible.

    Weights are the fit's, or the last retraining's.
    """

    learns = False
    says_probabilities = True

    def __init__(self, config: TrainConfig, trainings: Trainings) -> None:
        self._config, self._trainings = config, trainings

    def fit(self, part: FitPart, told: Told) -> None:
        """Trains a model by the trainer's own code. Raises NothingToTrainError."""
        self._data, self._runs = part.data, 0
        self._learned(part, self._trainings.of(part, self._config, told))

    def retrain(self, part: FitPart) -> None:
        """Incrementally, on what came since."""
        trained = retrained(self.trained, self._part, part, self._config, runs=self._runs)
        self._runs += 1
        self._learned(part, trained)

    def _learned(self, part: FitPart, trained: Trained) -> None:
        self._part, self.trained = part, trained
        self._asked = AskedModel(trained.model, trained.vocabulary, part.data)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._asked.scores(requests)

    def reveal(self, interaction: int) -> None:
        """Weights stay until they are retrained; histories grow all the same."""

    @property
    def hallucination_rate(self) -> float | None:
        """As `AskedModel.hallucination_rate`."""
        return self._asked.hallucination_rate

    def pages(self) -> AbstractContextManager[MakePage]:
        trained = self.trained
        return bundle_pages(trained.model, trained.vocabulary, trained.config, self._data.catalog)


class WithoutMetadata:
    """The same trained model, to which entities without an ID have no metadata either.

    All of them look alike: what is left is what the fallback ID alone is worth. It is not
    retrained.
    """

    learns = False

    def __init__(self, config: TrainConfig, trainings: Trainings) -> None:
        self._config, self._trainings = config, trainings

    def fit(self, part: FitPart, told: Told) -> None:
        """Trains, unless the model with metadata is trained already. Raises NothingToTrainError."""
        trained = self._trainings.of(part, self._config, told)
        features = catalog_features(part.data.catalog, trained.vocabulary)
        hidden = without_metadata(features, features["id_E"] == 0)
        self._asked = AskedModel(trained.model, trained.vocabulary, part.data, hidden)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._asked.scores(requests)

    def reveal(self, interaction: int) -> None:
        """Weights are fixed."""


def pagecast_families(seeds: tuple[int, ...], config: TrainConfig) -> dict[str, Family]:
    """With and without metadata, by name: one model per seed, which both share. And one more that
    spells entities in semantic IDs, otherwise configured alike.

    Nothing is chosen on validation.
    """
    trainings = Trainings()
    spelled = replace(config, model=replace(config.model, response="semantic_ids"))

    def family(
        name: str, system: type[PagecastSystem | WithoutMetadata], told: TrainConfig = config
    ) -> Family:
        def candidates(seed: int) -> list[Candidate]:
            of_seed = replace(told, seed=seed)
            return [Candidate(chosen={}, make=partial(system, of_seed, trainings))]

        return Family(name=name, candidates=candidates, seeds=seeds)

    return {
        PAGECAST: family(PAGECAST, PagecastSystem),
        WITHOUT_METADATA: family(WITHOUT_METADATA, WithoutMetadata),
        SEMANTIC_IDS: family(SEMANTIC_IDS, PagecastSystem, spelled),
    }
