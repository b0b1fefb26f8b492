"""What a training has forgotten: how it and its base predict what the base learned from last.

Letters: X interactions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.figures.ranks import Gains, ndcg_gains
from pagecast.trainer.evaluation.protocols.chronological import Cut
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.requests import FRESH, Split
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.starts.base import Base

OLD_MAX = 2_000
"""Of the base's newest interactions: enough to see a hundredth of NDCG@10, yet evaluating a run on
a small slice takes no longer than the run."""


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """NDCG@10 on the newest old interactions, which the base has learned from."""

    targets: int
    ndcg_at_10: float
    base_ndcg_at_10: float

    def metrics(self) -> dict[str, float]:
        """Flat, for manifest and registry; `forgotten` is by how much the base was better."""
        return {
            "old_targets": float(self.targets),
            "old_ndcg_at_10": self.ndcg_at_10,
            "old_ndcg_at_10_of_base": self.base_ndcg_at_10,
            "forgotten_ndcg_at_10": self.base_ndcg_at_10 - self.ndcg_at_10,
        }


def forgetting(
    base: Base,
    model: PageModel,
    vocabulary: Vocabulary,
    catalog: CatalogSnapshot,
    users: Sequence[UserSteps],
) -> Forgetting | None:
    """Asks both models for what is not new in `users`; None if nothing is old.

    Prompts are as they were: from strictly earlier steps. It is no test: both may have learned
    these very targets, and that is what can be lost.
    """
    split = old_split(catalog, users)
    if split is None:
        return None
    now = masked_ndcg(model, vocabulary, split)
    then = masked_ndcg(base.model, base.vocabulary, split)
    return Forgetting(
        targets=len(split.targets()),
        ndcg_at_10=float(now.mean()),
        base_ndcg_at_10=float(then.mean()),
    )


def old_split(catalog: CatalogSnapshot, users: Sequence[UserSteps]) -> Split | None:
    """Requests for the newest interactions that are not new."""
    try:
        data = interactions_of(users, catalog)
    except EvaluationError:
        return None
    order_X = data.in_time_order()
    new_X = [
        data.users[user].new_N[step]
        for user, step in zip(data.user_X[order_X], data.step_X[order_X], strict=True)
    ]
    old_X = order_X[~np.array(new_X, np.bool_)]
    if not len(old_X):
        return None
    cut = Cut(False, data)
    known = max(0, len(old_X) - OLD_MAX)
    return cut.after(cut.part(old_X, known), old_X[known:], FRESH)


def masked_ndcg(model: PageModel, vocabulary: Vocabulary, split: Split) -> Gains:
    """What each target adds to NDCG@10, seen entities left out."""
    system = TrainedSystem(model, vocabulary)
    system.fit(split.part)
    return ndcg_gains(answer(system, split).masked_T)
