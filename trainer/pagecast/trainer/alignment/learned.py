"""Rewards from reward models: what an alignment learns from where nobody knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.credit import Floats
from pagecast.trainer.alignment.entity_facts import EntityFacts
from pagecast.trainer.alignment.logged_rewards import Halves, halves_of
from pagecast.trainer.alignment.page_reward import PageRewardModel, train_page_reward
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.preference import PreferenceModel, train_preference
from pagecast.trainer.alignment.relevance_gate import RelevanceGate
from pagecast.trainer.alignment.reward_report import (
    RewardReport,
    gate_of,
    judge_page_model,
    judge_preference,
)
from pagecast.trainer.alignment.rewards import Judge, Rewards
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.pages.shown import ShownPage

PAGES_OF_A_HALF_MIN = 20
"""Fewest pages of a half, something seen on each: with fewer, neither model nor report says
anything."""


@dataclass(frozen=True, kw_only=True)
class RewardModels:
    """Both reward models, trained on one half of the members, and judged on the other; `facts` are
    what they are told, `table` is what they count by."""

    page: PageRewardModel
    preference: PreferenceModel
    facts: EntityFacts
    report: RewardReport
    table: RewardConfig

    @property
    def gate(self) -> RelevanceGate:
        return self.facts.gate

    def rewards(self) -> Rewards:
        """What `run.align` learns from."""
        return Rewards(
            page=self.page_rewards,
            preference=self.preferences,
            relevance=self.gate.of_pages,
            table=self.table,
        )

    def page_rewards(self, pages: Sequence[Rollout]) -> Sequence[float]:
        """A page's expected reward, in units of the table. Raises RewardError."""
        rewards: list[float] = self.page.predict(pages).tolist()
        return rewards

    def preferences(self, pages: Sequence[Rollout]) -> Sequence[Floats]:
        """How each entity would be liked, 0 to 1. Raises RewardError."""
        return self.preference.predict(
            [page.ask.prompt for page in pages], [page.entities for page in pages]
        )


def train_reward_models(
    champion: Policy,
    pages: Sequence[ShownPage],
    config: AlignConfig,
    table: RewardConfig,
) -> RewardModels:
    """Trains on the learning half of the members and judges on the other.

    Raises NothingToTrainError for too few pages, RewardError for a loss that is no number.
    """
    halves = _enough(pages, champion, config, table)
    facts = EntityFacts(champion)
    page = train_page_reward(facts, halves.learned, config.reward)
    preference = train_preference(facts, halves.learned, config.reward, table)
    report = RewardReport(
        salt=config.reward.salt,
        page=judge_page_model(page, halves.learned, halves.judging),
        preference=judge_preference(preference, halves.learned, halves.judging, table),
        gate=gate_of(
            (facts.gate.lift_E(page.prompt) for page in halves.judging),
            halves.judging,
            config.gate_lift_min,
        ),
    )
    return RewardModels(page=page, preference=preference, facts=facts, report=report, table=table)


def train_judge(
    facts: EntityFacts, pages: Sequence[ShownPage], config: AlignConfig, table: RewardConfig
) -> Judge:
    """A page reward model of the half that judges: it knows nothing of the pages learned from.

    Raises as `train_reward_models` does.
    """
    halves = _enough(pages, facts.champion, config, table)
    model = train_page_reward(facts, halves.judging, config.reward)

    def judge(drawn: Sequence[Rollout]) -> Sequence[float]:
        rewards: list[float] = model.predict(drawn).tolist()
        return rewards

    return judge


def _enough(
    pages: Sequence[ShownPage], champion: Policy, config: AlignConfig, table: RewardConfig
) -> Halves:
    halves = halves_of(pages, champion.catalog, config, table)
    for name, half in (("learned from", halves.learned), ("judging", halves.judging)):
        if len(half) < PAGES_OF_A_HALF_MIN:
            raise NothingToTrainError(
                f"align: {len(half)} logged pages of which something was seen and whose window is"
                f" over, not held out and of the members that are {name}, at least"
                f" {PAGES_OF_A_HALF_MIN} are needed: serve pages, report what was seen of them, or"
                " hold less out"
            )
    return halves
