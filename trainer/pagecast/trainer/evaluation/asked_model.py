"""A trained model is asked for its next entity: its distribution after [prompt, ROW top].

Letters: Q requests, N entities of the evaluation, E of the catalog, J openings, B windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.batch import CutPage, PackedBatch
from pagecast.trainer.data import catalog_features, next_row, row_ids
from pagecast.trainer.evaluation.interactions import Interactions
from pagecast.trainer.evaluation.requests import Request
from pagecast.trainer.evaluation.system import Scores
from pagecast.trainer.forward import embed, packed_hidden, packed_tokens
from pagecast.trainer.model import PageModel
from pagecast.trainer.packer import pack
from pagecast.trainer.pages import NO_ARGUMENT, PageRow
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.semantic.learned import named
from pagecast.trainer.semantic.search import TrieSearch, search_of
from pagecast.trainer.semantic.spelling import spell
from pagecast.trainer.semantic.trie import Trie
from pagecast.trainer.tails import Tail, Tails
from pagecast.trainer.users import Window, windows

POSITIONS_TOGETHER = 4096
"""Positions of one forward pass: bounds its memory, the mask is quadratic."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Opening:
    """A window, and the request of each of its cuts with its tail."""

    window: Window
    requests: tuple[int, ...]
    tails: tuple[Tail, ...]

    @property
    def positions(self) -> int:
        return len(self.window.entity_T) + len(self.requests) + sum(map(len, self.tails))


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
        self._model, self._vocabulary, self._data = model.eval(), vocabulary, data
        self._tails = Tails(catalog=data.catalog, vocabulary=vocabulary)
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

        Mean over the requests asked so far; None if entities are not spelled.
        """
        return 1.0 - sum(self.named) / len(self.named) if self.named else None

    @torch.no_grad()
    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN`, -inf for what the catalog lacks."""
        entities = len(self._data.catalog.entities)
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        for together in _together(self._openings(requests)):
            numbers = [number for opening in together for number in opening.requests]
            score_QN[numbers, :entities] = self._scores(together)
        return score_QN

    def _openings(self, requests: Sequence[Request]) -> list[_Opening]:
        """Requests as fresh as the history they look at share one window, the others cannot."""
        openings: list[_Opening] = []
        fresh: dict[int, dict[int, int]] = {}
        for number, request in enumerate(requests):
            user = self._data.users[request.user]
            if is_fresh(user, request):
                fresh.setdefault(request.user, {})[request.visible] = number
            else:
                late = as_late(user, request)
                openings += self._windows(request.user, late, {request.visible: number})
        for number, cuts in fresh.items():
            openings += self._windows(number, self._data.users[number], cuts)
        return openings

    def _windows(self, number: int, user: UserSteps, cuts: dict[int, int]) -> Iterator[_Opening]:
        catalog, keep = self._data.catalog, self._model.config.compress_keep
        for window in windows(number, user, sorted(cuts), catalog, self._vocabulary, keep):
            members = (window.cuts_C + window.first).tolist()
            yield _Opening(
                window=window,
                requests=tuple(cuts[cut] for cut in members),
                tails=tuple(self._tails.of(user, window, cut) for cut in window.cuts_C.tolist()),
            )

    def _scores(self, openings: Sequence[_Opening]) -> Scores:
        """`score_JE` of the openings' requests, in their order."""
        top = PageRow(
            row=next_row(self._data.catalog), argument=NO_ARGUMENT, entities=(), weights=()
        )
        pages = [
            [
                CutPage(cut=cut, rows=[top], opening=True, tail=tail)
                for cut, tail in zip(opening.window.cuts_C.tolist(), opening.tails, strict=True)
            ]
            for opening in openings
        ]
        batch = pack([opening.window for opening in openings], pages, ahead_decay=1.0)
        if self._search is not None:
            return self._found(batch, self._search)
        hidden_XD = packed_hidden(self._model, self._embedded, batch)
        hidden_JD = hidden_XD[torch.from_numpy(batch.pages.at_J)]
        score_JE: Scores = (hidden_JD @ self._embedded.entity_output_ED.T).numpy()
        return score_JE

    def _found(self, batch: PackedBatch, search: TrieSearch) -> Scores:
        """The same where entities are spelled: each opening's prompt is gone on from alone."""
        at_J, spelled = batch.pages.at_J, batch
        if not self._model.config.merge_prompt:
            told = spell(batch, self._trie.token_NL, merge_prompt=False)
            at_J, spelled = told.batch.pages.at_J, told.batch
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


def _together(openings: Sequence[_Opening]) -> Iterator[list[_Opening]]:
    """Openings of about one length, as many as one forward pass takes."""
    batch: list[_Opening] = []
    for opening in sorted(openings, key=lambda opening: opening.positions):
        if batch and (len(batch) + 1) * opening.positions > POSITIONS_TOGETHER:
            yield batch
            batch = []
        batch.append(opening)
    if batch:
        yield batch
