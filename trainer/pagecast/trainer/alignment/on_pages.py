"""Alignment where all that is known is logged: reward models first, then the policy.

This is what a bench calls: champion and pages in, an aligned policy and its reports out. A judge
that knows the truth may be given; it is only ever reported.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pagecast.featurestore.reward import RewardConfig
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment.asks import Ask, asks_of
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.diversity import mean_distances
from pagecast.trainer.alignment.learned import RewardModels, train_reward_models
from pagecast.trainer.alignment.members import learned_from
from pagecast.trainer.alignment.policy import Policy, engine_model
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.alignment.rewards import Judge
from pagecast.trainer.alignment.rollouts import Rollout, draw_group, page_seed
from pagecast.trainer.alignment.run import Aligned, align
from pagecast.trainer.shown import ShownPage

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
    and neither does it know the truth. `models` are trained unless they are given, as they are
    where several configs are compared on one reward.

    Raises NothingToTrainError, RewardError, CheckpointError.
    """
    models = models or train_reward_models(champion, pages, config, table)
    if judge is None:
        judge = train_reward_models(champion, pages, config, table, exchanged=True).page_rewards
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


def drawn_pages(
    policy: Policy, asks: Sequence[Ask], *, seed: int = 0, temperature: float = 1.0
) -> list[Rollout]:
    """A page for each ask; policies that are compared meet the same luck with the same seed."""
    model = engine_model(policy)
    return [
        draw_group(model, ask, [page_seed(seed, number)], temperature)[0]
        for number, ask in enumerate(asks)
    ]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Means over pages: a judge's reward, and of two entities of a page how unlike they are, as
    1 minus the cosine of their input embeddings in the champion."""

    pages: int
    reward: float
    diversity: float


def judgement(policy: Policy, pages: Sequence[Rollout], judge: Judge) -> Judgement:
    """How good pages are by a judge, and how diverse by the embeddings of `policy`: give the
    champion's for both of two policies that are compared."""
    distance_P = mean_distances(policy, [page.entities for page in pages])
    return Judgement(
        pages=len(pages),
        reward=float(np.mean(judge(pages))),
        diversity=0.0 if np.isnan(distance_P).all() else float(np.nanmean(distance_P)),
    )
