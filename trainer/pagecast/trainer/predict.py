"""Next-entity scores: the model's distribution after [prompt, ROW top], every entity eligible.

Letters: N entities of the catalog, J openings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.batch import CutPage, pack
from pagecast.trainer.data import catalog_features, next_row, row_ids
from pagecast.trainer.forward import Embedded, embed, packed_hidden
from pagecast.trainer.model import PageModel
from pagecast.trainer.pages import NO_ARGUMENT, PageRow
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.tails import Tail, Tails
from pagecast.trainer.users import UserColumns, Window, windows

OPENINGS_TOGETHER = 256
"""Positions of openings of one forward pass: bounds its memory, the mask is quadratic."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Scores of all entities for one request, what then happened, what the user had seen."""

    score_N: npt.NDArray[np.float32]
    targets: Sequence[int]
    seen_N: npt.NDArray[np.bool_]


@torch.no_grad()
def predictions(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
    by_user: Sequence[UserColumns],
) -> Iterator[Prediction]:
    """Predicts every new step (`UserSteps.new_N`) once, those of one moment together."""
    model.eval()
    embedded = embed(model, catalog_features(catalog, vocabulary), row_ids(catalog, vocabulary))
    tails = Tails(catalog=catalog, vocabulary=vocabulary)
    for number, (user, steps) in enumerate(zip(users, by_user, strict=True)):
        targets = _targets(user, steps)
        keep = model.config.compress_keep
        for window in windows(number, user, list(targets), catalog, vocabulary, keep):
            window_tails = [tails.of(user, window, cut) for cut in window.cuts_C.tolist()]
            score_JN = _scores(model, embedded, window, window_tails, next_row(catalog))
            for score_N, cut in zip(score_JN, (window.cuts_C + window.first).tolist(), strict=True):
                seen = steps.entity_N[:cut]
                seen_N = np.zeros(len(score_N), np.bool_)
                seen_N[seen[seen >= 0]] = True
                yield Prediction(score_N=score_N, targets=targets[cut], seen_N=seen_N)


def _targets(user: UserSteps, steps: UserColumns) -> dict[int, list[int]]:
    """New entities by cut: the first step of their moment, so that none sees another of it."""
    targets: dict[int, list[int]] = {}
    for step in np.flatnonzero(user.new_N).tolist():
        cut = int(np.searchsorted(steps.at_ms_N, steps.at_ms_N[step], side="left"))
        targets.setdefault(cut, []).append(int(steps.entity_N[step]))
    return targets


def _scores(
    model: PageModel, embedded: Embedded, window: Window, tails: Sequence[Tail], row: int
) -> npt.NDArray[np.float32]:
    """`score_JN` of every entity at each cut of a window."""
    opened = PageRow(row=row, argument=NO_ARGUMENT, entities=(), weights=())
    pages = [
        CutPage(cut=cut, rows=[opened], opening=True, tail=tail)
        for cut, tail in zip(window.cuts_C.tolist(), tails, strict=True)
    ]
    parts = []
    together = max(1, OPENINGS_TOGETHER // (1 + max(map(len, tails))))
    for begin in range(0, len(pages), together):
        batch = pack([window], [pages[begin : begin + together]], ahead_decay=1.0)
        hidden_XD = packed_hidden(model, embedded, batch)
        hidden_JD = hidden_XD[torch.from_numpy(batch.pages.at_J)]
        parts.append((hidden_JD @ embedded.entity_output_ED.T).numpy())
    return np.concatenate(parts)
