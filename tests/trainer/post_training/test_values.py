"""What post-training says about a page's tokens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.pages.test_imitation import CORRECTED, UNCORRECTED, page_of

from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.pages.constructed import PageRow
from pagecast.trainer.post_training.valued import Value
from pagecast.trainer.post_training.values import Values

NONE_DRAWN = Values(entities=9, rows=9, config=PostTrainConfig(random_negatives=0))

PAGE = page_of([(-0.2, 0), (None, 0)], [(1.0, 2), (0.0, 0)])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_labels_are_signs_and_weights_sizes_of_rewards() -> None:
    first, second = NONE_DRAWN.of_logged(PAGE, UNCORRECTED, rng())
    assert first.entities == ((Value(0, 0.0, 0.2),), ())
    assert second.entities == ((Value(2, 1.0, 1.0),), ()), "0: nothing is known yet"


def test_what_was_passed_over_is_a_negative_of_a_weight_of_its_own() -> None:
    (row,) = page_of([(0.0, 0), (None, 0)]).rows
    seen, unknown = row.entities
    page = replace(PAGE, rows=(replace(row, entities=(replace(seen, passed_over=True), unknown)),))
    config = PostTrainConfig(random_negatives=0, passed_over_weight=0.3)
    (said,) = Values(entities=9, rows=9, config=config).of_logged(page, UNCORRECTED, rng())
    assert said.entities == ((Value(0, 0.0, 0.3),), ())
    assert said.row == (Value(row.row, 0.0, 0.3),)


def test_weights_are_corrected_for_presentation() -> None:
    _, second = NONE_DRAWN.of_logged(PAGE, CORRECTED, rng())
    assert second.entities[0] == (Value(2, 1.0, 4.0),)


def test_what_was_chosen_next_is_positive_by_its_engagement() -> None:
    row = PageRow(row=2, argument=-1, entities=(5, 6), weights=(1.0, 0.5))
    (values,) = NONE_DRAWN.of_constructed([row], rng())
    assert values.entities == ((Value(5, 1.0, 1.0),), (Value(6, 1.0, 0.5),))
    assert values.row == (Value(2, 1.0, 0.75),)


@given(drawn=st.integers(0, 8), seed=st.integers(0, 99))
def test_drawn_tokens_are_negatives_and_never_of_the_page(drawn: int, seed: int) -> None:
    config = PostTrainConfig(random_negatives=drawn, random_negative_weight=0.3)
    values = Values(entities=6, rows=6, config=config)
    for row in values.of_logged(PAGE, UNCORRECTED, np.random.default_rng(seed)):
        for _, *negatives in (said for said in row.entities if said):
            assert len(negatives) <= drawn
            assert {n.token for n in negatives} <= {4, 5}, "0 to 3 are on the page"
            assert all((n.label, n.weight) == (0.0, 0.3) for n in negatives)


@pytest.mark.parametrize(
    "wrong", [{"share": 1.0}, {"share": -0.1}, {"random_negatives": -1}], ids=str
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"post\."):
        PostTrainConfig(**wrong)  # type: ignore[arg-type]
