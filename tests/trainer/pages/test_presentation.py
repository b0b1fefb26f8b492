"""How probable it is that a place is seen: estimated, and corrected for."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_logged import PagesWorld
from trainer.factories_trainer import SMALL

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.page_config import LoggedConfig, PresentationConfig
from pagecast.trainer.pages.logged_examples import LoggedExamples
from pagecast.trainer.pages.presentation import estimate

CORRECT = PresentationConfig(correct=True)


def test_many_pages_speak_for_themselves() -> None:
    pages = [[[True, n % 2 == 0], [n % 10 == 0, False]] for n in range(5000)]
    found = estimate(pages, CORRECT)
    assert found.seen_RC == pytest.approx(np.array([[1.0, 0.5], [0.1, 0.0]]), abs=0.01)
    assert found.row_R == pytest.approx([1.0, 0.1], abs=0.01)


def test_few_pages_are_drawn_towards_rows_and_columns() -> None:
    """A row that was served once and seen once is not sure to be seen."""
    pages = [[[True, True], [True, False], [False, False]] for _ in range(50)]
    pages.append([[True, True], [True, False], [False, False], [True, True]])
    found = estimate(pages, CORRECT)
    assert found.seen_RC[3, 0] > found.seen_RC[3, 1]
    assert found.seen_RC[3, 1] < 0.8


def test_a_page_that_nobody_looked_at_tells_nothing_of_places() -> None:
    looked_at, ignored = [[True, False]], [[False, False]]
    alone, beside = estimate([looked_at], CORRECT), estimate([looked_at, ignored], CORRECT)
    assert alone.seen_RC.tolist() == beside.seen_RC.tolist()
    assert beside.pages == 1
    assert estimate([], CORRECT).facts()["pages"] == 0


@given(st.lists(st.lists(st.lists(st.booleans(), min_size=1, max_size=3), max_size=3), max_size=9))
def test_weights_are_between_one_and_the_most_allowed(pages: list[list[list[bool]]]) -> None:
    found = estimate(pages, PresentationConfig(correct=True, weight_max=3.0, prior_pages=0.0))
    rows, columns = found.seen_RC.shape
    weights = [found.weight(r, c) for r in range(rows) for c in range(columns)]
    assert all(1.0 <= weight <= 3.0 for weight in weights)


def test_without_correction_everything_weighs_the_same() -> None:
    found = estimate([[[True, False]]] * 9, PresentationConfig())
    assert found.weight(0, 1) == found.row_weight(0) == 1.0


SEEN_AT = (1.0, 0.6, 0.3, 0.15)
"""By place, in the world below."""

CLICKED_IF_SEEN = {"e0": 0.3, "e3": 0.4, "e6": 0.5, "e9": 0.6}
"""The truth. The logging policy prefers the others: e0 is mostly first, e9 mostly last."""


@pytest.fixture(scope="module")
def biased(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Pages of 1500 strangers, in the offline log as real ones are."""
    world, draw = PagesWorld(tmp_path_factory.mktemp("biased")), random.Random(7)
    for number in range(1500):
        user, order = f"u{number}", list(CLICKED_IF_SEEN)
        if draw.random() < 0.2:
            draw.shuffle(order)
        page = world.serve(user, {"top": order})
        seen = [e for e, p in zip(order, SEEN_AT, strict=True) if draw.random() < p]
        world.see(user, page, *seen)
        for entity in seen:
            if draw.random() < CLICKED_IF_SEEN[entity]:
                world.click(user, page, entity)
        world.wait(1)
    return world.write().dataset()


def chosen(data: Dataset, presentation: PresentationConfig) -> dict[str, float]:
    """Share of each entity among the targets: all that next-token prediction without a context
    could learn."""
    config = dataclasses.replace(
        SMALL,
        pages_from="logged",
        logged=LoggedConfig(order="strength", exposed_weight=0.0),
        presentation=presentation,
    )
    examples = LoggedExamples(data, config, next_row=0)
    shares = dict.fromkeys(CLICKED_IF_SEEN, 0.0)
    for window in examples.imitated:
        for row in examples.imitation(window).rows:
            for entity, weight in zip(row.entities, row.weights, strict=True):
                shares[data.catalog.entities[entity].entity_id] += weight
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def test_the_estimate_is_the_truth_by_which_the_pages_were_seen(biased: Dataset) -> None:
    examples = LoggedExamples(biased, dataclasses.replace(SMALL, pages_from="both"), next_row=0)
    assert examples.presentation.seen_RC[0] == pytest.approx(SEEN_AT, abs=0.04)
    told = examples.facts()["presentation"]
    assert isinstance(told, dict)
    assert (told["pages"], told["corrected"]) == (1500, False)


def test_constructed_pages_have_no_places_to_correct_for() -> None:
    with pytest.raises(ValueError, match=r"presentation\.correct: .* set pages_from to both"):
        TrainConfig(presentation=CORRECT)


def test_corrected_targets_recover_what_people_like(biased: Dataset) -> None:
    truth = {name: p / sum(CLICKED_IF_SEEN.values()) for name, p in CLICKED_IF_SEEN.items()}
    corrected = chosen(biased, CORRECT)
    assert corrected == pytest.approx(truth, abs=0.05)
    assert sorted(corrected, key=corrected.__getitem__) == list(CLICKED_IF_SEEN)


def test_targets_that_are_not_corrected_recover_what_was_shown_first(biased: Dataset) -> None:
    as_logged = chosen(biased, PresentationConfig())
    assert max(as_logged, key=as_logged.__getitem__) == "e0", "liked least, shown first"
    assert min(as_logged, key=as_logged.__getitem__) == "e9", "liked most, shown last"
