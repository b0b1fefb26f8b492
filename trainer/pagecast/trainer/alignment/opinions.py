"""What reward models say of pages that were shown, beside what became of them.

Letters: P pages, I entities of a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.trainer.alignment.credit import Floats, gated
from pagecast.trainer.alignment.learned import RewardModels
from pagecast.trainer.alignment.logged_rewards import RewardedPage

PAGES_TOGETHER = 64
"""Pages of one forward pass of the preference model: prompts are padded to the longest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Opinions:
    """By page: `page_P` the page reward model's, in units of the table; sums over its entities of
    the preference model's, as it is (`preference_P`) and behind the gate (`gated_P`); and `true_P`,
    the reward of what was seen of it."""

    page_P: Floats
    preference_P: Floats
    gated_P: Floats
    true_P: Floats


def opinions(models: RewardModels, pages: Sequence[RewardedPage], gate_lift_min: float) -> Opinions:
    """Asks both models about every page. Raises RewardError if an answer is no number."""
    preference_P, gated_P = np.zeros((2, len(pages)))
    for number, (page, liked_I) in enumerate(zip(pages, _liked(models, pages), strict=True)):
        relevance_I = models.gate.lift_E(page.prompt)[page.entities]
        preference_P[number] = liked_I.sum()
        gated_P[number] = gated(liked_I, relevance_I, gate_lift_min).sum()
    return Opinions(
        page_P=models.page.predict(pages),
        preference_P=preference_P,
        gated_P=gated_P,
        true_P=np.array([page.reward for page in pages]),
    )


def _liked(models: RewardModels, pages: Sequence[RewardedPage]) -> list[Floats]:
    liked: list[Floats] = []
    for begin in range(0, len(pages), PAGES_TOGETHER):
        some = pages[begin : begin + PAGES_TOGETHER]
        prompts = [page.prompt for page in some]
        liked += models.preference.predict(prompts, [page.entities for page in some])
    return liked
