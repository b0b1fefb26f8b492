"""An exported model as a system: asked by the engine, in one of its forms, for its next entity.

What `asked_model` asks of torch, packed and in float32, is asked here of what serves.

Letters: Q requests, N entities of the evaluation, T prompt positions, D width, O width of hidden
states.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.trainer.data.dataset import next_row
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.asked_model import as_late, is_fresh
from pagecast.trainer.evaluation.systems.system import Scores, Told


class EngineSystem:
    """Its distribution after [prompt, ROW top]; `model` is bound to the catalog of `data`."""

    learns = False

    def __init__(self, model: Model, data: Interactions) -> None:
        self.model, self._data = model, data
        self._decoder = model.bundle.decoder(slots=1)

    def fit(self, part: FitPart, told: Told) -> None:
        """Does nothing: a bundle is fitted already."""

    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN`, -inf for what the catalog lacks."""
        output_ND = self.model.entities.output_ND
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        for number, request in enumerate(requests):
            score_QN[number, : len(output_ND)] = output_ND @ self._hidden(self.prompt(request))
        return score_QN

    def reveal(self, interaction: int) -> None:
        """Weights are fixed."""

    def prompt(self, request: Request) -> Prompt:
        """As the server would build it at the request's moment, for this model."""
        user = self._data.users[request.user]
        if not is_fresh(user, request):
            user = as_late(user, request)
        context = self.model.bundle.vocabulary.context
        return prompt_at(user, request.visible, self._data.catalog, context)

    def _hidden(self, prompt: Prompt) -> Scores:
        """The hidden state [O] after the prompt and the row."""
        tokens_TD = tokens_of(self.model, encode(self.model, prompt))
        row_D = self.model.row_token(next_row(self._data.catalog), NO_ARGUMENT, tokens_TD[-1])
        self._decoder.slots.begin(0)
        self._decoder.feed(0, tokens_TD)
        hidden_O: Scores = self._decoder.feed(0, row_D[None])[-1]
        return hidden_O
