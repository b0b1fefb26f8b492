"""Rewards by rule, and how rewards reach tokens."""

import dataclasses

import numpy as np
import pytest
from trainer.alignment.factories_alignment import ask_of, untrained

from pagecast.trainer.alignment.config import AlignConfig, FormatConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.policy import engine_model
from pagecast.trainer.alignment.rewards import Rewards, format_reward, judged
from pagecast.trainer.alignment.rollouts import Rollout, RolloutRow, draw_group
from pagecast.trainer.data.dataset import Dataset

ENTITIES = AlignConfig(credit="entities", gate=False)


@pytest.fixture(scope="module")
def pages(dataset: Dataset) -> list[Rollout]:
    ask = ask_of(dataset.catalog, rows=3, entities=4)
    return draw_group(engine_model(untrained(dataset)), ask, [1, 2, 3])


def test_a_page_of_full_rows_has_all_of_its_reward_and_half_a_page_half(
    pages: list[Rollout],
) -> None:
    config = FormatConfig(rows=0.2)
    rows = tuple(
        RolloutRow(row=n, argument=-1, entities=tuple(range(4 * n, 4 * n + 4))) for n in range(3)
    )
    whole = dataclasses.replace(pages[0], rows=rows)
    half = dataclasses.replace(
        whole, rows=tuple(dataclasses.replace(row, entities=row.entities[:2]) for row in rows)
    )
    assert format_reward(whole, config) == pytest.approx(0.2)
    assert format_reward(half, config) == pytest.approx(0.1)


@pytest.mark.parametrize(("at", "taken"), [(0, 0.0), (1, 0.0), (2, 0.5), (None, 0.5)])
def test_a_critical_row_must_stand_and_not_too_low(
    pages: list[Rollout], dataset: Dataset, at: int | None, taken: float
) -> None:
    critical = dataset.catalog.row_index["recent"]
    others = [n for n in range(4) if n != critical][:3]
    if at is not None:
        others[at] = critical
    rows = tuple(RolloutRow(row=n, argument=-1, entities=(n,)) for n in others)
    page = dataclasses.replace(pages[0], rows=rows)
    config = FormatConfig(rows=0.0, critical_rows=("recent",), critical_position_max=1)
    assert format_reward(page, config) == pytest.approx(-taken)


def test_a_row_that_cannot_stand_is_not_missed(pages: list[Rollout]) -> None:
    config = FormatConfig(rows=0.0, critical_rows=("continue", "unheard-of"))
    assert format_reward(pages[0], config) == 0.0, "nothing was begun"


def test_every_token_of_a_page_has_the_page_s_advantage(pages: list[Rollout]) -> None:
    config = AlignConfig(format=FormatConfig(rows=0.0))
    one = judged(pages, Rewards(page=lambda p: [1.0, 2.0, 6.0]), config)
    parts = np.split(one.advantage_N.numpy(), np.cumsum([len(p.log_p_N) for p in pages])[:-1])
    assert [set(part.tolist()) for part in parts] == [{-2.0}, {-1.0}, {3.0}]
    assert one.own == pytest.approx(3.0)


def test_an_entity_has_its_own_advantage_and_a_row_the_mean_of_its_entities(
    pages: list[Rollout],
) -> None:
    liked = Rewards(preference=lambda p: [np.array(page.entities) / 40 for page in p])
    one = judged(pages, liked, ENTITIES)
    mean = np.mean([entity / 40 for page in pages for entity in page.entities])
    expected = []
    for row in (row for page in pages for row in page.rows):
        own = [entity / 40 - mean for entity in row.entities]
        expected += [float(np.mean(own)), *own]
    np.testing.assert_allclose(one.advantage_N.numpy(), expected, atol=1e-6)


def test_what_was_chosen_is_anchored_at_the_best(pages: list[Rollout]) -> None:
    """Members chose what the preference model thinks nothing of."""
    first = pages[0].entities[0]
    ask = dataclasses.replace(pages[0].ask, chosen={first: 0})
    known = [dataclasses.replace(page, ask=ask) for page in pages]
    least = Rewards(
        preference=lambda p: [np.array([float(e != first) for e in q.entities]) for q in p]
    )
    anchored = judged(known, least, dataclasses.replace(ENTITIES, anchor=True))
    assert anchored.advantage_N.abs().max() == 0.0, "all are worth the best"
    assert judged(known, least, ENTITIES).advantage_N[1] < 0


def test_a_closed_gate_does_not_hide_what_is_no_number(pages: list[Rollout]) -> None:
    config = AlignConfig(credit="entities")
    broken = Rewards(
        preference=lambda p: [np.full(len(page.entities), np.nan) for page in p],
        relevance=lambda p: [np.zeros(len(page.entities)) for page in p],
    )
    with pytest.raises(RewardError, match="not finite"):
        judged(pages, broken, config)


def test_a_reward_says_as_many_numbers_as_it_is_asked(pages: list[Rollout]) -> None:
    with pytest.raises(RewardError, match="2 numbers of 3"):
        judged(pages, Rewards(page=lambda p: [1.0, 2.0]), AlignConfig())
