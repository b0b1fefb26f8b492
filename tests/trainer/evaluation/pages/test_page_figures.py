import math
from typing import Any

import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import catalog_of

from pagecast.rules.facts import RequestFacts
from pagecast.trainer.evaluation.pages.page_checker import PlacedRow
from pagecast.trainer.evaluation.pages.page_figures import (
    MadePage,
    diversity,
    made,
    row_hit_rate,
    viewport_gain,
)
from pagecast.trainer.evaluation.systems.metadata_vectors import metadata_vectors


def page(*rows: tuple[int, ...]) -> MadePage:
    return MadePage(
        rows=tuple(PlacedRow(number, None, entities) for number, entities in enumerate(rows)),
        probability=tuple(tuple(0.1 for _ in entities) for entities in rows),
        finish_reason=1,
    )


class Wanted:
    """The part of an asked page that a gain is made of."""

    facts = RequestFacts(at_ms=0, rows=4, entities_per_row=6)

    def __init__(self, *future: int) -> None:
        self.future = frozenset(future)


def gain(shown: MadePage, *future: int) -> float:
    asked: Any = Wanted(*future)
    return viewport_gain(shown, asked)


def test_row_hit_rate_is_the_share_of_rows_that_hit() -> None:
    shown = page((1, 2), (3, 4), (5, 6), (7, 8))
    assert row_hit_rate(shown, frozenset({1, 2, 8})) == 0.5
    assert row_hit_rate(shown, frozenset({9})) == 0.0
    assert row_hit_rate(page(), frozenset({9})) == 0.0


def test_the_future_on_the_first_screen_is_all_there_is_to_gain() -> None:
    assert gain(page((1, 2, 3, 4, 5, 6)), 5, 2) == 1.0


def test_what_has_to_be_scrolled_to_gains_less() -> None:
    assert gain(page((1, 2, 3, 4, 5, 6)), 6) == pytest.approx(1 / math.log2(3))
    assert gain(page((1,), (2,), (3,), (4,)), 4) == pytest.approx(1 / math.log2(3))
    assert gain(page((1,)), 1, 9) == 0.5


def test_diversity_is_the_mean_distance_of_two_entities() -> None:
    vector_EC = np.array([[1, 0], [1, 0], [0, 2], [0, 0]], np.float32)
    assert diversity(page((0, 1)), vector_EC) == pytest.approx(0.0)
    assert diversity(page((0,), (2,)), vector_EC) == pytest.approx(1.0)
    assert diversity(page((0, 1, 2)), vector_EC) == pytest.approx(2 / 3)
    assert diversity(page((0,)), vector_EC) == 0.0


def test_a_page_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="no end"):
        made([])


def test_a_catalog_that_says_nothing_has_vectors_of_nothing() -> None:
    assert not metadata_vectors(catalog_of("a", "b")).any()
