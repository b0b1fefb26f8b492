"""Rewards from reward models: what an alignment learns from where nobody knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from pagecast.featurestore.reward import RewardConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.credit import Floats
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
from pagecast.trainer.alignment.rewards import Rewards
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.shown import ShownPage
from pagecast.trainer.snapshot import NothingToTrainError

PAGES_OF_A_HALF_MIN = 20
"""Pages that something was seen of: a model of fewer says nothing, and neither does its report."""


@dataclass(frozen=True, kw_only=True)
class RewardModels:
    """Both reward models, trained on one half of the members, and judged on the other; `table` is
    what they count by."""

    page: PageRewardModel
    preference: PreferenceModel
    gate: RelevanceGate
    report: RewardReport
    table: RewardConfig

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
    *,
    exchanged: bool = False,
) -> RewardModels:
    """Trains on the learning half of the members and judges on the other; `exchanged`: the other
    way round, which makes a judge that knows nothing of what is learned from.

    Raises NothingToTrainError for too few pages, RewardError for a loss that is no number.
    """
    halves = halves_of(pages, champion.catalog, config, table)
    halves = halves.exchanged if exchanged else halves
    _check_enough(halves)
    page = train_page_reward(champion, halves.learned, config.reward)
    preference = train_preference(champion, halves.learned, config.reward, table)
    gate = RelevanceGate(champion)
    report = RewardReport(
        salt=config.reward.salt,
        page=judge_page_model(page, halves.learned, halves.judging),
        preference=judge_preference(preference, halves.learned, halves.judging, table),
        gate=gate_of(
            (gate.lift_E(page.prompt) for page in halves.judging),
            halves.judging,
            config.gate_lift_min,
        ),
    )
    return RewardModels(page=page, preference=preference, gate=gate, report=report, table=table)


def _check_enough(halves: Halves) -> None:
    for name, pages in (("learned from", halves.learned), ("judging", halves.judging)):
        if len(pages) < PAGES_OF_A_HALF_MIN:
            raise NothingToTrainError(
                f"align: {len(pages)} logged pages whose window is over, of the members that are"
                f" {name}, at least {PAGES_OF_A_HALF_MIN} are needed: serve pages and ingest what"
                " becomes of them"
            )
