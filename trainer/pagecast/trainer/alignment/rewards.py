"""What drawn pages are worth: interfaces of rewards, and the rewards that are rules.

Letters: G pages of a group, I entities of a group's pages, N tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.config import AlignConfig, FormatConfig
from pagecast.trainer.alignment.credit import (
    Floats,
    RewardError,
    advantages,
    anchored,
    finite,
    gated,
)
from pagecast.trainer.alignment.rollouts import Rollout

Judge = Callable[[Sequence[Rollout]], Sequence[float]]
"""Says of each page what it is worth. A reward model is one; a simulator's truth is another, which
is only ever reported."""

Preference = Callable[[Sequence[Rollout]], Sequence[Floats]]
"""Says of each page how each of its entities, in the page's order, is liked, from 0 to 1."""

Relevance = Callable[[Sequence[Rollout]], Sequence[Floats]]
"""The same of how relevant each entity is to the request, by whatever scale `gate_lift_min` has."""


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """What a run learns from: `page` with credit "page", the others with "entities".

    `table` is what outcomes are worth in them, None if they are not made of outcomes.
    """

    page: Judge | None = None
    preference: Preference | None = None
    relevance: Relevance | None = None
    table: RewardConfig | None = None

    def check(self, config: AlignConfig) -> None:
        """Raises ValueError if what the config asks for is not there."""
        if config.credit == "page" and self.page is None:
            raise ValueError('align.credit is "page": a page reward is needed')
        if config.credit == "entities" and self.preference is None:
            raise ValueError('align.credit is "entities": a preference is needed')
        if config.credit == "entities" and config.gate and self.relevance is None:
            raise ValueError("align.gate: a relevance is needed, or switch the gate off")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A group as its reward sees it: `own` is the mean reward of its pages."""

    advantage_N: Tensor
    own: float


def judged(pages: Sequence[Rollout], rewards: Rewards, config: AlignConfig) -> Judged:
    """Advantages of all tokens of a group. Raises RewardError for a reward that is no number."""
    if config.credit == "page":
        return _by_page(pages, rewards, config)
    return _by_entity(pages, rewards, config)


def _by_page(pages: Sequence[Rollout], rewards: Rewards, config: AlignConfig) -> Judged:
    """Every token of a page has the page's advantage."""
    assert rewards.page is not None
    reward_G = np.asarray(rewards.page(pages), np.float64)
    _check_length(len(reward_G), len(pages))
    total_G = reward_G + np.array([format_reward(page, config.format) for page in pages])
    advantage_G = advantages(total_G, by_deviation=config.by_deviation)
    tokens = [len(page.log_p_N) for page in pages]
    advantage_N = np.repeat(advantage_G, tokens)
    return Judged(advantage_N=_tensor(advantage_N), own=float(reward_G.mean()))


def _by_entity(pages: Sequence[Rollout], rewards: Rewards, config: AlignConfig) -> Judged:
    """Every entity has its own advantage among all of the group's, a row the mean of its own."""
    assert rewards.preference is not None
    # Before the gate, which would hide what is no number.
    reward_I = finite(np.concatenate(rewards.preference(pages)))
    entity_I = [entity for page in pages for entity in page.entities]
    _check_length(len(reward_I), len(entity_I))
    if config.gate:
        assert rewards.relevance is not None
        relevance_I = np.concatenate([np.asarray(r) for r in rewards.relevance(pages)])
        _check_length(len(relevance_I), len(entity_I))
        reward_I = gated(reward_I, relevance_I, config.gate_lift_min)
    own = float(reward_I.sum() / len(pages))
    if config.anchor:
        chosen = pages[0].ask.chosen
        reward_I = anchored(reward_I, np.array([entity in chosen for entity in entity_I]))
    advantage_I = advantages(reward_I, by_deviation=config.by_deviation)
    return Judged(advantage_N=_tensor(_with_rows(pages, advantage_I)), own=own)


def _with_rows(pages: Sequence[Rollout], advantage_I: Floats) -> Floats:
    """Advantages of entities in the order of tokens, before each row's the mean of them."""
    parts: list[Floats] = []
    begin = 0
    for row in (row for page in pages for row in page.rows):
        own = advantage_I[begin : begin + len(row.entities)]
        parts += [np.array([own.mean() if len(own) else 0.0]), own]
        begin += len(row.entities)
    return np.concatenate(parts)


def format_reward(page: Rollout, config: FormatConfig) -> float:
    """By rule: a list of full rows, and critical rows not too low (docs/papers.md 1.5)."""
    rules = page.ask.rules
    places = rules.rows_max * int(rules.entities_max_R.max())
    reward = config.rows * len(page.entities) / places
    index = rules.catalog.snapshot.row_index
    high = {row.row for row in page.rows[: config.critical_position_max + 1]}
    for name in config.critical_rows:
        row = index.get(name)
        if row is not None and row not in high and _may_stand(page, row):
            reward -= config.critical
    return reward


def _may_stand(page: Rollout, row: int) -> bool:
    """Whether the request has enough for a row, as long as nothing else has taken it."""
    rules = page.ask.rules
    candidates = int(np.bitwise_count(rules.candidates_RW[row]).sum())
    return 0 < int(rules.entities_min_R[row]) <= candidates


def _check_length(found: int, expected: int) -> None:
    if found != expected:
        raise RewardError(f"a reward says {found} numbers of {expected} pages or entities")


def _tensor(advantage_N: Floats) -> Tensor:
    return torch.from_numpy(advantage_N).float()
