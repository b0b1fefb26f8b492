"""Alignment with nothing but logged pages: the reward models' reward, beside the truth."""

import dataclasses

import pytest
from trainer.alignment.factories_rewarded import REWARDED, TABLE, RewardedWorld

from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment.asks import asks_of
from pagecast.trainer.alignment.config import RECIPES, AlignConfig
from pagecast.trainer.alignment.entity_facts import EntityFacts
from pagecast.trainer.alignment.logged_rewards import halves_of
from pagecast.trainer.alignment.on_pages import align_on_pages
from pagecast.trainer.alignment.page_reward import train_page_reward
from pagecast.trainer.alignment.policy import engine_model
from pagecast.trainer.alignment.rollouts import draw_group
from pagecast.trainer.data.snapshot import NothingToTrainError

BRIEF = dataclasses.replace(
    RECIPES["grpo-sr"],
    reward=REWARDED.reward,
    gate=False,
    steps=14,
    prompts_per_step=4,
    group_size=4,
    nll=0.0,
    learning_rate=1e-2,
    rows_max=2,
    entities_max=3,
    tokens=8,
)


def test_an_ask_is_the_page_s_prompt_its_size_and_what_was_chosen(
    rewarded_world: RewardedWorld,
) -> None:
    champion, pages = rewarded_world
    catalog = CompiledCatalog(champion.catalog)
    ask = asks_of(pages[:1], catalog, champion.vocabulary, AlignConfig(), TABLE)[0]
    page = pages[0]
    assert ask.prompt is page.prompt
    assert (ask.rules.rows_max, int(ask.rules.entities_max_R.max())) == (2, 3)
    index = champion.catalog.entity_index
    played = {
        index[name]
        for row in page.rows
        for name, outcome in zip(row.entity_ids, row.outcomes, strict=True)
        if outcome is not None and outcome.played
    }
    assert set(ask.chosen) == played
    (drawn,) = draw_group(engine_model(champion), ask, [0])
    watched = {index[step.entity_id] for step in page.prompt.steps}
    continuing = champion.catalog.row_index["continue"]
    placed = {e for row in drawn.rows if row.row != continuing for e in row.entities}
    assert not placed & watched


def test_the_judge_is_a_page_reward_model_of_the_other_half(rewarded_world: RewardedWorld) -> None:
    """What models, gate and judge share changes no bit of what they say."""
    champion, pages = rewarded_world
    reward = dataclasses.replace(BRIEF.reward, steps_max=4)
    config = dataclasses.replace(BRIEF, reward=reward, gate=True, steps=2)
    halves = halves_of(pages, champion.catalog, config, TABLE)
    apart = train_page_reward(EntityFacts(champion), halves.judging, reward)
    shared = align_on_pages(champion, pages, config)
    beside = align_on_pages(champion, pages, config, lambda drawn: apart.predict(drawn).tolist())
    assert [at.judged for at in shared.aligned.told] == [at.judged for at in beside.aligned.told]
    assert [at.reward for at in shared.aligned.told] == [at.reward for at in beside.aligned.told]


def test_without_pages_there_is_nothing_to_draw(rewarded_world: RewardedWorld) -> None:
    champion, _ = rewarded_world
    with pytest.raises(NothingToTrainError, match="no logged page"):
        asks_of((), CompiledCatalog(champion.catalog), champion.vocabulary, BRIEF, TABLE)
