"""Reinforcement learning with a planted reward, from drawing to a better policy."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save
from trainer.alignment.factories_alignment import ask_of, untrained

from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import GROUP_MAX, PAGES_MAX, RECIPES, AlignConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.progress import AlignProgress
from pagecast.trainer.alignment.rewards import Judge, Rewards
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.alignment.run import Aligned, align
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.checkpoint import Checkpoint, CheckpointError, Checkpoints

BRIEF = AlignConfig(
    steps=8,
    prompts_per_step=2,
    group_size=6,
    kl=0.0,
    learning_rate=1e-2,
    rows_max=2,
    entities_max=3,
    tokens=8,
    checkpoint_every_s=0.0,
)

COMEDIES = {n for n in range(36) if n % 3 == 1}
"""By catalog index: the genre of every third entity (`factories_trainer.catalog_changes`)."""


@pytest.fixture(scope="module")
def champion(dataset: Dataset) -> Policy:
    return untrained(dataset)


@pytest.fixture(scope="module")
def asks(dataset: Dataset) -> list[Ask]:
    return [
        ask_of(dataset.catalog, [f"e{n}", f"e{n + 3}"], user=f"u{n}", rows=2, entities=3)
        for n in range(4)
    ]


def comedies(pages: Sequence[Rollout]) -> list[float]:
    """The planted reward: the share of a page's entities that are comedies."""
    return [sum(e in COMEDIES for e in page.entities) / len(page.entities) for page in pages]


def liked(pages: Sequence[Rollout]) -> list[np.ndarray]:
    """The same, said of each entity."""
    return [np.array([float(e in COMEDIES) for e in page.entities]) for page in pages]


def always_relevant(pages: Sequence[Rollout]) -> list[np.ndarray]:
    return [np.full(len(page.entities), np.inf) for page in pages]


REWARDS = Rewards(page=comedies, preference=liked, relevance=always_relevant)


def mean_truth(told: Sequence[AlignProgress]) -> float:
    return float(np.mean([at.judged for at in told]))


@pytest.fixture(scope="module")
def undisturbed(champion: Policy, asks: list[Ask]) -> Aligned:
    return align(champion, asks, BRIEF, REWARDS, judge=comedies)


def test_dr_grpo_moves_the_policy_towards_what_is_rewarded(undisturbed: Aligned) -> None:
    told = undisturbed.told
    assert [at.step for at in told] == list(range(1, 9))
    assert mean_truth(told[-2:]) > mean_truth(told[:2]) + 0.15
    assert [at.reward for at in told] == pytest.approx([at.judged for at in told])


@pytest.mark.parametrize("recipe", ["grpo-sr", "grpo"])
def test_so_do_the_rewards_of_single_entities(
    champion: Policy, asks: list[Ask], recipe: str
) -> None:
    told_apart = ("credit", "by_deviation", "anchor", "gate")
    parts = {name: getattr(RECIPES[recipe], name) for name in told_apart}
    config = dataclasses.replace(BRIEF, **parts, steps=6)
    told = align(champion, asks, config, REWARDS, judge=comedies).told
    assert mean_truth(told[-2:]) > mean_truth(told[:2]) + 0.15


def test_a_closed_gate_teaches_nothing(champion: Policy, asks: list[Ask]) -> None:
    config = dataclasses.replace(BRIEF, credit="entities", gate=True, steps=1)
    shut = Rewards(preference=liked, relevance=lambda p: [np.zeros(len(r.entities)) for r in p])
    aligned = align(champion, asks, config, shut)
    assert aligned.told[0].reward == 0.0
    assert weights(aligned.policy) == weights(champion)


def test_kl_holds_the_policy_near_the_champion(champion: Policy, asks: list[Ask]) -> None:
    config = dataclasses.replace(BRIEF, steps=4)
    free = align(champion, asks, config, REWARDS)
    held = align(champion, asks, dataclasses.replace(config, kl=5.0), REWARDS)
    assert free.told[0].kl == pytest.approx(0.0, abs=1e-6), "the first pages are the champion's"
    assert held.told[-1].kl < free.told[-1].kl


def test_nll_makes_what_was_chosen_likelier(champion: Policy, asks: list[Ask]) -> None:
    chosen = [dataclasses.replace(ask, chosen={8: 0, 20: 0}) for ask in asks]
    flat = Rewards(page=lambda pages: [1.0] * len(pages))
    config = dataclasses.replace(BRIEF, nll=1.0, steps=3)
    config = dataclasses.replace(config, format=dataclasses.replace(config.format, rows=0.0))
    told = align(champion, chosen, config, flat).told
    assert told[-1].nll < told[0].nll


def test_requests_of_which_nothing_was_chosen_do_not_dilute_the_nll(
    champion: Policy, asks: list[Ask]
) -> None:
    """Every round has both requests."""
    config = dataclasses.replace(BRIEF, nll=1.0, steps=1, updates=1)
    chosen = dataclasses.replace(asks[0], chosen={8: 0, 20: 0})
    (alone,) = align(champion, [chosen], config, REWARDS).told
    (beside,) = align(champion, [chosen, asks[1]], config, REWARDS).told
    (without,) = align(champion, asks[1:2], config, REWARDS).told
    assert beside.nll == pytest.approx(alone.nll)
    assert without.nll == 0.0


def weights(policy: Policy) -> bytes:
    return save({name: t.clone() for name, t in policy.model.state_dict().items()})


def without_time(at: AlignProgress | None) -> AlignProgress:
    assert at is not None
    return dataclasses.replace(at, eta_s=0.0)


class Interrupted(Exception):  # noqa: N818 - ends a run between two rounds
    pass


@pytest.mark.parametrize("at", [5])
def test_resumed_it_ends_with_the_same_bytes(
    champion: Policy, asks: list[Ask], undisturbed: Aligned, tmp_path: Path, at: int
) -> None:
    def stop(progress: AlignProgress) -> None:
        if progress.step == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        align(champion, asks, BRIEF, REWARDS, progress=stop, checkpoint=tmp_path)
    resumed = align(champion, asks, BRIEF, REWARDS, judge=comedies, checkpoint=tmp_path)
    assert len(resumed.told) == BRIEF.steps - at
    assert weights(resumed.policy) == weights(undisturbed.policy)
    assert without_time(resumed.last) == without_time(undisturbed.last)


def test_what_the_first_and_the_last_round_were_worth_survives_a_resumption(
    champion: Policy, asks: list[Ask], tmp_path: Path
) -> None:
    config = dataclasses.replace(BRIEF, steps=2)
    whole = align(champion, asks, config, REWARDS, judge=comedies, checkpoint=tmp_path)
    again = align(champion, asks, config, REWARDS, judge=comedies, checkpoint=tmp_path)
    assert again.told == (), "nothing was left to do"
    assert (again.first, again.last) == (whole.told[0], whole.told[-1])


def failing_after(rounds: int, judge: Judge) -> Judge:
    asked = 0

    def page(pages: Sequence[Rollout]) -> Sequence[float]:
        nonlocal asked
        asked += 1
        if asked > rounds * BRIEF.prompts_per_step:
            return [math.nan] * len(pages)
        return judge(pages)

    return page


def test_a_reward_that_is_no_number_ends_the_run_and_the_checkpoint_stays(
    champion: Policy, asks: list[Ask], undisturbed: Aligned, tmp_path: Path
) -> None:
    broken = Rewards(page=failing_after(3, comedies))
    with pytest.raises(RewardError, match="not finite"):
        align(champion, asks, BRIEF, broken, checkpoint=tmp_path)
    assert Checkpoint.from_bytes(Checkpoints(tmp_path).newest()).facts.step == 3
    mended = align(champion, asks, BRIEF, REWARDS, checkpoint=tmp_path)
    assert weights(mended.policy) == weights(undisturbed.policy)


def test_rewards_too_large_for_numbers_end_the_run_before_the_weights_are_lost(
    champion: Policy, asks: list[Ask]
) -> None:
    huge = Rewards(page=lambda pages: [1e300 * n for n in range(len(pages))])
    with pytest.raises(RewardError, match="loss of round 0"):
        align(champion, asks, BRIEF, huge)


def test_a_checkpoint_of_another_run_is_refused(
    champion: Policy, asks: list[Ask], tmp_path: Path
) -> None:
    align(champion, asks, dataclasses.replace(BRIEF, steps=1), REWARDS, checkpoint=tmp_path)
    other = dataclasses.replace(BRIEF, steps=1, kl=1.0)
    with pytest.raises(CheckpointError, match=r"align\.kl was 0\.0 and is 1\.0"):
        align(champion, asks, other, REWARDS, checkpoint=tmp_path)


def test_a_checkpoint_of_another_reward_table_is_refused(
    champion: Policy, asks: list[Ask], tmp_path: Path
) -> None:
    config, table = dataclasses.replace(BRIEF, steps=1), RewardConfig()
    counted = dataclasses.replace(REWARDS, table=table)
    align(champion, asks, config, counted, checkpoint=tmp_path)
    worth = {**table.table, Outcome.LISTED: 0.6}
    other = dataclasses.replace(counted, table=RewardConfig(table=worth))
    with pytest.raises(CheckpointError, match=r"reward\.table\.listed was 0\.5 and is 0\.6"):
        align(champion, asks, config, other, checkpoint=tmp_path)


def test_what_is_not_there_is_missed_at_once(champion: Policy, asks: list[Ask]) -> None:
    with pytest.raises(ValueError, match="page reward is needed"):
        align(champion, asks, BRIEF, Rewards())
    entities = dataclasses.replace(BRIEF, credit="entities")
    with pytest.raises(ValueError, match="a preference is needed"):
        align(champion, asks, entities, Rewards())
    with pytest.raises(ValueError, match="switch the gate off"):
        align(champion, asks, entities, Rewards(preference=liked))


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"group_size": 1}, "group_size"),
        ({"group_size": GROUP_MAX + 1}, "group_size"),
        ({"group_size": 64, "prompts_per_step": PAGES_MAX // 64 + 1}, "prompts_per_step"),
        ({"steps": 0}, "steps"),
        ({"temperature": 0.0}, "temperature"),
        ({"kl": -1.0}, "kl"),
    ],
)
def test_a_config_says_what_is_wrong_with_it(parts: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        AlignConfig(**parts)
