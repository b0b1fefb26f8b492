"""Pagecast's own model as a system: trained by the trainer, asked for its next entity.

Letters: Q requests, N entities of the evaluation, E of the catalog, J openings, B windows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from pagecast.trainer.batch import CutPage, pack
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data import catalog_features, next_row, row_ids
from pagecast.trainer.evaluation.requests import FitPart, Request
from pagecast.trainer.evaluation.system import Candidate, Family, Scores, Told
from pagecast.trainer.forward import embed, packed_hidden
from pagecast.trainer.pages import NO_ARGUMENT, PageRow
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.snapshot import Snapshot
from pagecast.trainer.tails import Tail, Tails
from pagecast.trainer.train import Trained, fit_on
from pagecast.trainer.users import Window, windows

PAGECAST = "pagecast"

POSITIONS_TOGETHER = 4096
"""Positions of one forward pass: bounds its memory, the mask is quadratic."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Opening:
    """A window, and the request of each of its cuts."""

    window: Window
    requests: tuple[int, ...]
    tails: tuple[Tail, ...]

    @property
    def positions(self) -> int:
        return len(self.window.entity_T) + len(self.requests) + sum(map(len, self.tails))


class PagecastSystem:
    """Its distribution after [prompt, ROW top], every entity eligible.

    Weights are the fit's. The prompt is the visible history with the request-time half of the
    moment; entities the catalog lacks cannot be scored.
    """

    learns = False

    def __init__(self, config: TrainConfig) -> None:
        self._config = config

    def fit(self, part: FitPart, told: Told) -> None:
        """Trains a model by the trainer's own code. Raises NothingToTrainError."""
        self._data = part.data
        users = tuple(
            _until(user, count)
            for user, count in zip(part.data.users, part.steps_U.tolist(), strict=True)
            if count
        )
        snapshot = Snapshot(catalog=part.data.catalog, users=users, positions={})
        self.trained: Trained = fit_on(snapshot, self._config, lambda at: told(at.share_done))
        catalog, vocabulary = part.data.catalog, self.trained.vocabulary
        features = catalog_features(catalog, vocabulary)
        with torch.no_grad():
            self._embedded = embed(self.trained.model, features, row_ids(catalog, vocabulary))

    @torch.no_grad()
    def scores(self, requests: Sequence[Request]) -> Scores:
        entities = len(self._data.catalog.entities)
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        for together in _together(self._openings(requests)):
            numbers = [number for opening in together for number in opening.requests]
            score_QN[numbers, :entities] = self._scores(together)
        return score_QN

    def reveal(self, interaction: int) -> None:
        """Weights are fixed; histories grow all the same."""

    def _openings(self, requests: Sequence[Request]) -> list[_Opening]:
        """Requests as fresh as the history they look at share one window, the others cannot."""
        openings: list[_Opening] = []
        fresh: dict[int, dict[int, int]] = {}
        for number, request in enumerate(requests):
            user = self._data.users[request.user]
            if user.steps[request.visible].occurred_at_ms == request.at_ms:
                fresh.setdefault(request.user, {})[request.visible] = number
            else:
                late = _late(user, request)
                openings += self._windows(request.user, late, {request.visible: number})
        for number, cuts in fresh.items():
            openings += self._windows(number, self._data.users[number], cuts)
        return openings

    def _windows(self, number: int, user: UserSteps, cuts: dict[int, int]) -> Iterator[_Opening]:
        catalog, vocabulary = self._data.catalog, self.trained.vocabulary
        tails = Tails(catalog=catalog, vocabulary=vocabulary)
        keep = self._config.model.compress_keep
        for window in windows(number, user, sorted(cuts), catalog, vocabulary, keep):
            members = (window.cuts_C + window.first).tolist()
            yield _Opening(
                window=window,
                requests=tuple(cuts[cut] for cut in members),
                tails=tuple(tails.of(user, window, cut) for cut in window.cuts_C.tolist()),
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
        hidden_XD = packed_hidden(self.trained.model, self._embedded, batch)
        hidden_JD = hidden_XD[torch.from_numpy(batch.pages.at_J)]
        score_JE: Scores = (hidden_JD @ self._embedded.entity_output_ED.T).numpy()
        return score_JE


def _until(user: UserSteps, count: int) -> UserSteps:
    """A user of whom only the first steps are known."""
    return replace(
        user,
        steps=user.steps[:count],
        first_N=user.first_N[:count],
        cut_N=user.cut_N[:count],
        new_N=user.new_N[:count],
    )


def _late(user: UserSteps, request: Request) -> UserSteps:
    """A user whose request's own step stands behind what is visible, as if nothing lay between."""
    seen = _until(user, request.visible + 1)
    steps = (*user.steps[: request.visible], user.steps[request.step])
    return replace(seen, steps=steps)


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


def pagecast_family(seeds: tuple[int, ...], config: TrainConfig) -> Family:
    """One model a seed; it chooses nothing on validation."""

    def candidates(seed: int) -> list[Candidate]:
        of_seed = replace(config, seed=seed)
        return [Candidate(chosen={}, make=partial(PagecastSystem, of_seed))]

    return Family(name=PAGECAST, candidates=candidates, seeds=seeds)
