"""A model that is trained already, as a system."""

from collections.abc import Sequence

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.asked_model import AskedModel
from pagecast.trainer.evaluation.systems.system import Scores, System, Told
from pagecast.trainer.network.model import PageModel


class TrainedSystem(System):
    """Its distribution after [prompt, ROW top]; fitting it changes nothing."""

    learns = False

    def __init__(self, model: PageModel, vocabulary: Vocabulary) -> None:
        self._model, self._vocabulary = model, vocabulary

    def fit(self, part: FitPart, told: Told = lambda _: None) -> None:
        del told
        self._asked = AskedModel(self._model, self._vocabulary, part.data)

    def scores(self, requests: Sequence[Request]) -> Scores:
        return self._asked.scores(requests)

    def positions(self, requests: Sequence[Request]) -> list[int]:
        """As `AskedModel.positions`."""
        return self._asked.positions(requests)

    @property
    def hallucination_rate(self) -> float | None:
        """As `AskedModel.hallucination_rate`."""
        return self._asked.hallucination_rate

    def reveal(self, interaction: int) -> None:
        """Weights are fixed; histories grow all the same."""
