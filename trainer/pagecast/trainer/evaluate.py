"""Prequential evaluation on the next slice, beside honest baselines.

Letters: N entities of the catalog, J openings.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.baselines import (
    LastItemCounter,
    RecentPopularity,
    best_half_life_days,
    run,
    timeline,
)
from pagecast.trainer.batch import CutPage, pack
from pagecast.trainer.config import EngagementConfig
from pagecast.trainer.data import catalog_features, next_row, row_ids
from pagecast.trainer.forward import Embedded, embed, packed_hidden
from pagecast.trainer.model import PageModel
from pagecast.trainer.pages import NO_ARGUMENT, PageRow
from pagecast.trainer.ranking import Tally
from pagecast.trainer.replay import UserSteps
from pagecast.trainer.snapshot import NothingToTrainError
from pagecast.trainer.users import UserColumns, Window, columns, windows

PROTOCOL = (
    "Prequential: every step after the training positions is one target, predicted once, in time "
    "order, from strictly earlier steps (steps of a user at the same moment do not see each "
    "other), then revealed, to the baselines too. Ranked among the full catalog; ties count "
    "against; a target the catalog lacks is a miss. pagecast: its distribution after "
    "[prompt, ROW top]; weights fixed, history growing. popularity: counts with the half-life "
    "({half_life:g} days) that was best on the newest tenth of the training steps. "
    "last_item_counter: how often an entity followed the user's last one, that popularity breaking "
    "ties. Headline: entities a user has seen are left out, as the rules leave them out of pages; "
    "_all: with them."
)

OPENINGS_TOGETHER = 256
"""Openings of one forward pass: bounds its memory, the mask is quadratic."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one predictor; `_all` does not leave out what a user has seen."""

    hr_at_10: float
    ndcg_at_10: float
    hr_at_10_all: float
    ndcg_at_10_all: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How a model predicts the next slice, beside its baselines."""

    protocol: str
    targets: int
    users: int
    pagecast: Score
    popularity: Score
    last_item_counter: Score

    def metrics(self) -> dict[str, float]:
        """Flat, for manifest and registry: `ndcg_at_10`, `popularity_ndcg_at_10`..."""
        flat = {"targets": float(self.targets), **vars(self.pagecast)}
        for name in ("popularity", "last_item_counter"):
            scores = vars(getattr(self, name))
            flat |= {f"{name}_{key}": value for key, value in scores.items()}
        return flat


def evaluate(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
) -> Quality:
    """Evaluates on the steps that began after the training positions (`UserSteps.new_N`).

    Raises NothingToTrainError if there are none.
    """
    by_user = [columns(user, catalog, EngagementConfig()) for user in users]
    if not any(user.new_N.any() for user in users):
        raise NothingToTrainError(
            "no steps after the training positions to evaluate on: ingest later events first"
        )
    entities = len(catalog.entities)
    steps = timeline(by_user, [user.new_N for user in users], entities)
    half_life = best_half_life_days(steps)
    return Quality(
        protocol=PROTOCOL.format(half_life=half_life),
        targets=int(steps.target_X.sum()),
        users=sum(bool(user.new_N.any()) for user in users),
        pagecast=_score(_run_model(model, vocabulary, catalog, users, by_user)),
        popularity=_score(run(RecentPopularity(entities, half_life), steps)),
        last_item_counter=_score(run(LastItemCounter(entities, half_life), steps)),
    )


def _score(tallies: Mapping[bool, Tally]) -> Score:
    without_seen, every = tallies[True], tallies[False]
    return Score(
        hr_at_10=without_seen.hr,
        ndcg_at_10=without_seen.ndcg,
        hr_at_10_all=every.hr,
        ndcg_at_10_all=every.ndcg,
    )


@dataclass(frozen=True, kw_only=True)
class _Openings:
    """A window whose cuts are to be predicted, and the targets of each cut."""

    window: Window
    targets_C: Sequence[Sequence[int]]
    seen_C: Sequence[npt.NDArray[np.int64]]


@torch.no_grad()
def _run_model(
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
    by_user: Sequence[UserColumns],
) -> dict[bool, Tally]:
    model.eval()
    embedded = embed(model, catalog_features(catalog, vocabulary), row_ids(catalog, vocabulary))
    openings = [
        opening
        for number, user in enumerate(users)
        for opening in _openings(number, user, by_user[number], catalog, vocabulary)
    ]
    openings.sort(key=lambda o: len(o.window.entity_T))
    tallies = {True: Tally(), False: Tally()}
    for opening in openings:
        score_JN = _scores(model, embedded, opening.window, next_row(catalog))
        for score_N, targets, seen in zip(score_JN, opening.targets_C, opening.seen_C, strict=True):
            without_N = np.zeros(len(score_N), np.bool_)
            without_N[seen] = True
            for target in targets:
                tallies[False].add(score_N, target)
                tallies[True].add(score_N, target, without_N)
    return tallies


def _scores(
    model: PageModel, embedded: Embedded, window: Window, row: int
) -> npt.NDArray[np.float32]:
    """`score_JN` of every entity after [prompt, ROW] at each cut of a window."""
    opened = PageRow(row=row, argument=NO_ARGUMENT, entities=(), weights=())
    pages = [CutPage(cut=c, rows=[opened], opening=True) for c in window.cuts_C.tolist()]
    parts = []
    for begin in range(0, len(pages), OPENINGS_TOGETHER):
        batch = pack([window], [pages[begin : begin + OPENINGS_TOGETHER]], ahead_decay=1.0)
        hidden_XD = packed_hidden(model, embedded, batch)
        hidden_JD = hidden_XD[torch.from_numpy(batch.entity_from_J)]
        parts.append((hidden_JD @ embedded.entity_output_ED.T).numpy())
    return np.concatenate(parts)


def _openings(
    number: int,
    user: UserSteps,
    by_step: UserColumns,
    catalog: CatalogSnapshot,
    vocabulary: Vocabulary,
) -> Iterator[_Openings]:
    """A target's cut is the first step of its moment, so that none sees another of its moment."""
    targets: dict[int, list[int]] = {}
    for step in np.flatnonzero(user.new_N).tolist():
        cut = int(np.searchsorted(by_step.at_ms_N, by_step.at_ms_N[step], side="left"))
        targets.setdefault(cut, []).append(int(by_step.entity_N[step]))
    for window in windows(number, user, list(targets), catalog, vocabulary):
        cuts = (window.cuts_C + window.first).tolist()
        yield _Openings(
            window=window,
            targets_C=[targets[cut] for cut in cuts],
            seen_C=[_catalogued(by_step.entity_N[:cut]) for cut in cuts],
        )


def _catalogued(entity_N: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    known_N: npt.NDArray[np.int64] = entity_N[entity_N >= 0]
    return known_N
