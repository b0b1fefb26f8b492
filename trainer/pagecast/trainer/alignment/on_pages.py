"""Alignment where all that is known is logged: reward models first, then the policy.

This is what a bench calls: champion and pages in, an aligned policy and its reports out. A judge
that knows the truth may be given; it is only ever reported.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment.asks import asks_of
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.learned import RewardModels, train_judge, train_reward_models
from pagecast.trainer.alignment.members import learned_from
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.alignment.rewards import Judge
from pagecast.trainer.alignment.run import Aligned, align
from pagecast.trainer.pages.shown import ShownPage

DEFAULT_REWARD = RewardConfig()


@dataclass(frozen=True, kw_only=True)
class AlignedOnPages:
    """An aligned policy, and the reward models that it was aligned by."""

    aligned: Aligned
    models: RewardModels


def align_on_pages(
    champion: Policy,
    pages: Sequence[ShownPage],
    config: AlignConfig,
    judge: Judge | None = None,
    *,
    table: RewardConfig = DEFAULT_REWARD,
    models: RewardModels | None = None,
    progress: Callable[[AlignProgress], None] = lambda _: None,
    checkpoint: Path | None = None,
    budget_s: float = math.inf,
) -> AlignedOnPages:
    """Trains reward models on one half of the members' pages, and the policy by them.

    Pages are drawn for the requests of the half that reward models learn from. Without a `judge`,
    it is a page reward model of the other half: it knows nothing of what the policy learns from,
    but does not know the truth either. `models` are trained unless they are given, as they are
    where several configs are compared on one reward.

    Raises NothingToTrainError, RewardError, CheckpointError.
    """
    models = models or train_reward_models(champion, pages, config, table)
    judge = judge or train_judge(models.facts, pages, config, table)
    catalog = CompiledCatalog(champion.catalog)
    learned = [page for page in pages if learned_from(page.user_id, config.reward.salt)]
    asks = asks_of(learned, catalog, champion.vocabulary, config, table)
    aligned = align(
        champion,
        asks,
        config,
        models.rewards(),
        judge=judge,
        progress=progress,
        checkpoint=checkpoint,
        budget_s=budget_s,
    )
    return AlignedOnPages(aligned=aligned, models=models)
