"""A trained model is asked for its next entity: its distribution after [prompt, ROW top].

Letters: Q requests, N entities of the evaluation, J openings.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.data import catalog_features, row_ids
from pagecast.trainer.evaluation.interactions import Interactions
from pagecast.trainer.evaluation.requests import Request
from pagecast.trainer.evaluation.system import Scores
from pagecast.trainer.forward import embed
from pagecast.trainer.model import PageModel
from pagecast.trainer.openings import Opening, Openings, together
from pagecast.trainer.replay import UserSteps


class AskedModel:
    """Scores every entity for requests; entities the catalog lacks cannot be scored.

    The prompt is the visible history with the request-time half of the moment. `features` are the
    tower's inputs, if other than the catalog's.
    """

    def __init__(
        self,
        model: PageModel,
        vocabulary: Vocabulary,
        data: Interactions,
        features: dict[str, Tensor] | None = None,
    ) -> None:
        self._model, self._data = model.eval(), data
        self._asked = Openings(self._model, vocabulary, data.catalog)
        if features is None:
            features = catalog_features(data.catalog, vocabulary)
        with torch.no_grad():
            self._embedded = embed(self._model, features, row_ids(data.catalog, vocabulary))

    @torch.no_grad()
    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN`, -inf for what the catalog lacks."""
        entities = len(self._data.catalog.entities)
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        for batch in together(self._openings(requests)):
            numbers = [number for opening in batch for number in opening.requests]
            hidden_JO = self._asked.states(self._embedded, batch)
            score_QN[numbers, :entities] = (hidden_JO @ self._embedded.entity_output_ED.T).numpy()
        return score_QN

    def _openings(self, requests: Sequence[Request]) -> list[Opening]:
        """Requests as fresh as the history they look at share one window, the others cannot."""
        openings: list[Opening] = []
        fresh: dict[int, dict[int, int]] = {}
        for number, request in enumerate(requests):
            user = self._data.users[request.user]
            if is_fresh(user, request):
                fresh.setdefault(request.user, {})[request.visible] = number
            else:
                late = as_late(user, request)
                openings += self._asked.of(request.user, late, {request.visible: number})
        for number, cuts in fresh.items():
            openings += self._asked.of(number, self._data.users[number], cuts)
        return openings


def is_fresh(user: UserSteps, request: Request) -> bool:
    """Whether the step after the visible ones is of the request's moment."""
    return user.steps[request.visible].occurred_at_ms == request.at_ms


def as_late(user: UserSteps, request: Request) -> UserSteps:
    """A user whose request's own step stands behind what is visible, as if nothing lay between."""
    seen = first_steps(user, request.visible + 1)
    steps = (*user.steps[: request.visible], user.steps[request.step])
    return replace(seen, steps=steps)


def first_steps(user: UserSteps, count: int) -> UserSteps:
    """A user of whom only the first steps are known."""
    return replace(
        user,
        steps=user.steps[:count],
        first_N=user.first_N[:count],
        cut_N=user.cut_N[:count],
        new_N=user.new_N[:count],
    )
