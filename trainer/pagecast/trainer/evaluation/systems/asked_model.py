"""A trained model is asked for its next entity: its distribution after [prompt, ROW top].

Letters: Q requests, N entities of the evaluation, J openings.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.openings import Opening, Openings, together
from pagecast.trainer.data.dataset import catalog_features, row_ids
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request
from pagecast.trainer.evaluation.systems.system import Scores
from pagecast.trainer.fitting.forward import embed, packed_tokens
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.semantic.learned import named
from pagecast.trainer.semantic.search import TrieSearch, search_of
from pagecast.trainer.semantic.spelling import spell
from pagecast.trainer.semantic.trie import Trie


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
            features = named(self._model, features)
            self._embedded = embed(self._model, features, row_ids(data.catalog, vocabulary))
        self._search: TrieSearch | None = None
        if self._embedded.token_EL is not None:
            self._trie = Trie(self._embedded.token_EL, model.config.codes)
            self._search = search_of(self._model, self._trie)
        self.named: list[float] = []
        """Of a model that spells entities, by request: `semantic.search.Found.named`."""

    @property
    def hallucination_rate(self) -> float | None:
        """Share of IDs that would name nothing if their codes were drawn without any mask.

        Mean over the requests asked so far; None if entities are not spelled. An upper bound where
        the trie is searched with beams: what they give up counts as naming nothing.
        """
        return 1.0 - sum(self.named) / len(self.named) if self.named else None

    @torch.no_grad()
    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN`, -inf for what the catalog lacks."""
        entities = len(self._data.catalog.entities)
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        for batch in together(self._openings(requests)):
            numbers = [number for opening in batch for number in opening.requests]
            score_QN[numbers, :entities] = self._scores(batch)
        return score_QN

    def positions(self, requests: Sequence[Request]) -> list[int]:
        """Positions of each request's [prompt, ROW top], as this model is fed it."""
        positions_Q = [0] * len(requests)
        for batch in together(self._openings(requests)):
            fed = self._as_fed(self._asked.batch(batch))
            window_J, position_J = np.divmod(fed.pages.at_J, fed.page_BL.shape[1])
            counts = fed.mask_BLL[window_J, position_J].sum(1).tolist()
            numbers = [number for opening in batch for number in opening.requests]
            for number, count in zip(numbers, counts, strict=True):
                positions_Q[number] = count
        return positions_Q

    def _openings(self, requests: Sequence[Request]) -> list[Opening]:
        """A user's fresh requests (`is_fresh`) share their windows; the others cannot."""
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

    def _scores(self, openings: Sequence[Opening]) -> Scores:
        """`score_JE` of the openings' requests, in their order."""
        if self._search is not None:
            return self._found(self._asked.batch(openings), self._search)
        hidden_JO = self._asked.states(self._embedded, openings)
        score_JE: Scores = (hidden_JO @ self._embedded.entity_output_ED.T).numpy()
        return score_JE

    def _as_fed(self, batch: PackedBatch) -> PackedBatch:
        """The batch, its prompts spelled out if the model has them so."""
        if self._search is None or self._model.config.merge_prompt:
            return batch
        return spell(batch, self._trie.token_NL, merge_prompt=False).batch

    def _found(self, batch: PackedBatch, search: TrieSearch) -> Scores:
        """The same where entities are spelled: each opening's prompt is continued by itself."""
        spelled = self._as_fed(batch)
        at_J = spelled.pages.at_J
        tokens_BLD = packed_tokens(self._model, self._embedded, spelled)
        found = []
        for window, position in zip(*np.divmod(at_J, tokens_BLD.shape[1]), strict=True):
            seen_L = torch.from_numpy(spelled.mask_BLL[window, position])
            found.append(search.find(tokens_BLD[window][seen_L]))
        self.named += [one.named for one in found]
        score_JN: Scores = torch.stack([one.score_N for one in found]).numpy()
        return score_JN


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
