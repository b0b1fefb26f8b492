"""GenPage's own measures of a model (docs/papers.md 1.9): of logged pages, how far its logits are
from what came of what was seen there.

Letters: X rows and entities that were seen, U users, P different scores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.likelihood import Features
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.forward import packed_hidden
from pagecast.trainer.page_config import PostTrainConfig, PresentationConfig
from pagecast.trainer.pages.constructed import Origin
from pagecast.trainer.pages.imitation import as_laid_out
from pagecast.trainer.pages.presentation import Presentation, estimate
from pagecast.trainer.pages.scored import ScoredPage, scored_pages
from pagecast.trainer.pages.shown import Shown, ShownPage
from pagecast.trainer.post_training.valued import ValueTargets
from pagecast.trainer.post_training.values import Values

Floats = npt.NDArray[np.float64]

LOSS, WEIGHT = "value_loss", "value_weight"
"""Of all that was seen, by user: weighted cross-entropy in nats, and the weight of it."""

ENTITY_AUC, ROW_AUC, USERS = "entity_auc", "row_auc", "value_users"
"""What each user adds to an area under the curve, and 1 of each."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A model's logits of what was seen, with its label and weight, and whose page it was on."""

    logit_X: Floats
    label_X: Floats
    weight_X: Floats
    user_X: npt.NDArray[np.int64]


def logged_values(
    policy: Policy, pages: Sequence[ShownPage], users: Sequence[str], reward: RewardConfig
) -> Figures:
    """By user, in the order of `users`. Without random negatives: they are training's.

    An area that does not exist, because all labels are alike, is left out.
    """
    entities, rows = _said(policy, pages, users, reward)
    count = len(users)
    loss_U, weight_U = np.zeros(count), np.zeros(count)
    for said in (entities, rows):
        loss_U += np.bincount(said.user_X, _loss(said), count)
        weight_U += np.bincount(said.user_X, said.weight_X, count)
    figures: dict[str, Sequence[float]] = {
        LOSS: loss_U.tolist(),
        WEIGHT: weight_U.tolist(),
        USERS: [1.0] * count,
    }
    for name, said in ((ENTITY_AUC, entities), (ROW_AUC, rows)):
        if (area_U := user_areas(said, count)) is not None:
            figures[name] = area_U.tolist()
    return figures


def user_areas(said: Said, users: int) -> Floats | None:
    """`area_U`, whose mean is the weighted area under the curve, and whose deviation over users,
    divided by the root of their number, its standard error: each user's area is the whole one and
    the influence of that user's pages on it. None if there is no positive or no negative.
    """
    good_X = said.weight_X * (said.label_X > 0.0)
    bad_X = said.weight_X - good_X
    if not (good_X.sum() and bad_X.sum()):
        return None
    _, place_X = np.unique(said.logit_X, return_inverse=True)
    good_P, bad_P = np.bincount(place_X, good_X), np.bincount(place_X, bad_X)
    below_X = ((np.cumsum(bad_P) - bad_P / 2) / bad_P.sum())[place_X]
    above_X = (1.0 - (np.cumsum(good_P) - good_P / 2) / good_P.sum())[place_X]
    area = float((good_X * below_X).sum() / good_X.sum())
    of_good_X = good_X * (below_X - area) / good_X.sum()
    of_bad_X = bad_X * (above_X - area) / bad_X.sum()
    influence_U = np.bincount(said.user_X, of_good_X + of_bad_X, users)
    area_U: Floats = area + users * influence_U.astype(np.float64)
    return area_U


def _loss(said: Said) -> Floats:
    logit_X, label_X = torch.from_numpy(said.logit_X), torch.from_numpy(said.label_X)
    loss_X = functional.binary_cross_entropy_with_logits(logit_X, label_X, reduction="none")
    weighted_X: Floats = loss_X.numpy() * said.weight_X
    return weighted_X


@torch.no_grad()
def _said(
    policy: Policy, pages: Sequence[ShownPage], users: Sequence[str], reward: RewardConfig
) -> tuple[Said, Said]:
    """Of entities and of rows."""
    model, number = policy.model.eval(), {user: n for n, user in enumerate(users)}
    embedded = Features.of(policy).embedded(model)
    values = Values(
        entities=len(policy.catalog.entities),
        rows=len(policy.catalog.rows),
        config=PostTrainConfig(random_negatives=0),
    )
    presentation, entities, rows = _presentation(pages), _Saying(), _Saying()
    for page in _scored(policy, pages, reward):
        batch = pack([page.window], [[_laid_out(page, values, presentation)]], ahead_decay=1.0)
        hidden_XD = packed_hidden(model, embedded, batch)
        user = number[page.user_id]
        entities.add(hidden_XD, embedded.entity_output_ED, batch.values.entities, user)
        rows.add(hidden_XD, embedded.row_output_RD, batch.values.rows, user)
    return entities.said(), rows.said()


def _scored(
    policy: Policy, pages: Sequence[ShownPage], reward: RewardConfig
) -> Iterator[ScoredPage]:
    data = Dataset(
        catalog=policy.catalog,
        vocabulary=policy.vocabulary,
        users=(),
        columns=(),
        shown=Shown(pages=tuple(pages)),
    )
    return scored_pages(data, reward, policy.model.config.compress_keep)


def _presentation(pages: Sequence[ShownPage]) -> Presentation:
    """Nothing is weighed by its place: what is asked about is what was seen."""
    places = [[[seen is not None for seen in row.outcomes] for row in p.rows] for p in pages]
    return estimate(places, PresentationConfig(correct=False))


def _laid_out(page: ScoredPage, values: Values, presentation: Presentation) -> CutPage:
    return CutPage(
        cut=int(page.window.cuts_C[0]),
        rows=[as_laid_out(row, presentation) for row in page.rows],
        origin=Origin.LOGGED,
        values=values.of_logged(page, presentation, np.random.default_rng(0)),
    )


class _Saying:
    """Grows page by page."""

    def __init__(self) -> None:
        self._parts: list[tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]] = []

    def add(self, hidden_XD: Tensor, output_ED: Tensor, asked: ValueTargets, user: int) -> None:
        hidden_VD = hidden_XD[torch.from_numpy(asked.at_V)]
        logit_V = (hidden_VD * output_ED[torch.from_numpy(asked.token_V)]).sum(1)
        user_V = np.full(len(asked.at_V), user, np.int64)
        label_V, weight_V = asked.label_V.astype(float), asked.weight_V.astype(float)
        self._parts.append((logit_V.double().numpy(), label_V, weight_V, user_V))

    def said(self) -> Said:
        nothing = (np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
        logit_X, label_X, weight_X, user_X = map(
            np.concatenate, zip(nothing, *self._parts, strict=True)
        )
        return Said(logit_X=logit_X, label_X=label_X, weight_X=weight_X, user_X=user_X)
