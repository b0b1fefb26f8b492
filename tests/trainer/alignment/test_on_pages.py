"""Alignment where all that is known is logged: the reward models' reward, and the truth beside."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from trainer.alignment.factories_alignment import untrained
from trainer.alignment.factories_rewarded import GENRES, rewarding_world
from trainer.alignment.test_reward_models import CONFIG, TABLE

from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment.asks import asks_of
from pagecast.trainer.alignment.config import RECIPES, AlignConfig
from pagecast.trainer.alignment.on_pages import align_on_pages, drawn_pages, judgement
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.shown import ShownPage
from pagecast.trainer.snapshot import NothingToTrainError

BRIEF = dataclasses.replace(
    RECIPES["grpo-sr"],
    reward=CONFIG.reward,
    gate=False,
    steps=10,
    prompts_per_step=4,
    group_size=4,
    nll=0.0,
    learning_rate=1e-2,
    rows_max=2,
    entities_max=3,
    tokens=8,
)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, tuple[ShownPage, ...]]:
    data = rewarding_world(tmp_path_factory.mktemp("aligned")).dataset()
    return untrained(data), data.shown.pages


def truth(pages: Sequence[Rollout]) -> list[float]:
    """The share of a page's entities that are of the genre its member came with."""
    return [
        float(np.mean([entity % GENRES == _genre(page) for entity in page.entities]))
        for page in pages
    ]


def _genre(page: Rollout) -> int:
    return int(page.ask.prompt.steps[0].entity_id[1:]) % GENRES


def test_learned_rewards_move_the_policy_towards_the_truth_they_never_see(
    world: tuple[Policy, tuple[ShownPage, ...]],
) -> None:
    champion, pages = world
    done = align_on_pages(champion, pages, BRIEF, truth, table=TABLE)
    asks = asks_of(pages, CompiledCatalog(champion.catalog), champion.vocabulary, BRIEF, TABLE)
    before, after = (
        judgement(champion, drawn_pages(policy, asks), truth)
        for policy in (champion, done.aligned.policy)
    )
    assert after.reward > before.reward + 0.1
    assert 0.0 <= after.diversity <= 2.0
    assert done.aligned.told[-1].reward > done.aligned.told[0].reward


def test_an_ask_is_the_page_s_prompt_its_size_and_what_was_chosen(
    world: tuple[Policy, tuple[ShownPage, ...]],
) -> None:
    champion, pages = world
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
    (drawn,) = drawn_pages(champion, [ask])
    watched = {index[step.entity_id] for step in page.prompt.steps}
    continuing = champion.catalog.row_index["continue"]
    placed = {e for row in drawn.rows if row.row != continuing for e in row.entities}
    assert not placed & watched


def test_without_pages_there_is_nothing_to_draw(
    world: tuple[Policy, tuple[ShownPage, ...]],
) -> None:
    champion, _ = world
    with pytest.raises(NothingToTrainError, match="no logged page"):
        asks_of((), CompiledCatalog(champion.catalog), champion.vocabulary, BRIEF, TABLE)
