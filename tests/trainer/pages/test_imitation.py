"""Logged pages as targets of next-token prediction."""

import dataclasses
import random

import numpy as np
import pytest

from pagecast.trainer.data.users import Window
from pagecast.trainer.page_config import LoggedConfig, PresentationConfig
from pagecast.trainer.pages.imitation import imitated
from pagecast.trainer.pages.presentation import Presentation
from pagecast.trainer.pages.scored import ScoredEntity, ScoredPage, ScoredRow

WINDOW = Window(
    user=-1,
    first=0,
    entity_T=np.array([-1, -1]),
    fields_TF=np.zeros((2, 1), np.int64),
    cuts_C=np.array([0]),
)

SEEN_RC = np.array([[1.0, 0.5], [0.25, 0.05]])

UNCORRECTED = Presentation(
    seen_RC=SEEN_RC, row_R=np.array([1.0, 0.3]), pages=9, config=PresentationConfig()
)

CORRECTED = dataclasses.replace(
    UNCORRECTED, config=PresentationConfig(correct=True, weight_max=10.0)
)


def page_of(*rows: list[tuple[float | None, int]]) -> ScoredPage:
    """Rewards and strengths; entities count from 0, rows are 3, 4..."""
    made, entity = [], 0
    for place, row in enumerate(rows):
        entities = []
        for column, (reward, strength) in enumerate(row):
            entities.append(
                ScoredEntity(entity=entity, place=column, reward=reward, strength=strength)
            )
            entity += 1
        made.append(
            ScoredRow(row=3 + place, argument=-1, place=place, entities=tuple(entities), reward=0.0)
        )
    return ScoredPage(user_id="ada", window=WINDOW, rows=tuple(made))


PAGE = page_of([(-0.2, 0), (None, 0)], [(1.0, 2), (1.5, 3)])


def test_in_layout_order_everything_up_to_the_last_seen_weighs_the_same() -> None:
    rows = imitated(PAGE, LoggedConfig(), UNCORRECTED, next_row=0)
    assert [(row.row, row.entities) for row in rows] == [(3, (0, 1)), (4, (2, 3))]
    assert [row.weights for row in rows] == [(1.0, 1.0), (1.0, 1.0)]


def test_by_strength_it_is_one_row_of_what_was_seen_the_strongest_first() -> None:
    (row,) = imitated(PAGE, LoggedConfig(order="strength"), UNCORRECTED, next_row=7)
    assert (row.row, row.entities, row.weights) == (7, (3, 2, 0), (1.0, 1.0, 1.0))


def test_what_was_only_exposed_may_weigh_less_or_nothing() -> None:
    for weight, left in ((0.5, (1.0, 1.0, 0.5)), (0.0, (1.0, 1.0))):
        config = LoggedConfig(order="strength", exposed_weight=weight)
        (row,) = imitated(PAGE, config, UNCORRECTED, next_row=7)
        assert row.weights == left


def test_corrected_a_seen_token_weighs_by_how_seldom_it_is_seen_within_bounds() -> None:
    rows = imitated(PAGE, LoggedConfig(), CORRECTED, next_row=0)
    assert [row.weights for row in rows] == [(1.0, 0.0), (4.0, 10.0)], "1/0.05 is more than 10"


def test_corrected_targets_add_up_to_the_page_as_served_on_average() -> None:
    draw, pages = random.Random(3), 4000
    sums = np.zeros((2, 2))
    unbounded = dataclasses.replace(
        CORRECTED, config=PresentationConfig(correct=True, weight_max=100.0)
    )
    for _ in range(pages):
        seen = [[(1.0 if draw.random() < p else None, 1) for p in row] for row in SEEN_RC]
        rows = imitated(page_of(*seen), LoggedConfig(), unbounded, next_row=0)
        sums += np.array([row.weights for row in rows])
    assert sums / pages == pytest.approx(np.ones((2, 2)), abs=0.2)
