"""Where pages come from: logged, constructed, and never silently both."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from trainer.factories_logged import PagesWorld
from trainer.factories_trainer import SMALL, logged, page_builder, walk

from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.fitting.identity import differences, identity_of
from pagecast.trainer.fitting.meter import counts
from pagecast.trainer.page_config import PagesFrom
from pagecast.trainer.post_training.examples import PostExamples


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Five walkers: the first two are served pages, and only the first likes one of two."""
    world = PagesWorld(tmp_path_factory.mktemp("mixed"))
    for user in range(5):
        for row in logged(walk(user, 4)):
            event = type(walk(0, 1)[0]).FromString(row.value)
            world.happen(event)
    world.wait(10 * 24 * 60)
    for user in ("u0", "u0", "u1"):
        page = world.serve(user, {"top": ["e1", "e2"], "popular": ["e3", "e4"]})
        world.see(user, page, "e1", "e3")
        if len(world.pages) == 1:
            world.play(user, page, "e3", 60.0)
        world.wait(60)
    world.play("u4", "", "e5")
    return world.write().dataset()


def examples_of(data: Dataset, pages_from: PagesFrom, **changes: object) -> Examples:
    config = dataclasses.replace(SMALL, pages_from=pages_from, opening_cuts_max=0, **changes)
    return Examples(data, page_builder(data, config), config)


def counted(examples: Examples) -> dict[str, float]:
    """Pages of an epoch by kind."""
    batches = [counts(batch) for batch in examples.epoch(np.random.default_rng(0))]
    kinds = ("logged_pages", "constructed_pages")
    return {kind: sum(batch[kind] for batch in batches) for kind in kinds}


@pytest.mark.parametrize(
    ("pages_from", "logged_pages", "constructed_pages"),
    [("constructed", 0, 10), ("both", 1, 6), ("logged", 1, 0)],
)
def test_pages_are_constructed_only_for_whom_there_are_no_logged_ones(
    data: Dataset, pages_from: PagesFrom, logged_pages: int, constructed_pages: int
) -> None:
    """Two cuts of each of five histories; of three logged pages, one has something positive."""
    kinds = counted(examples_of(data, pages_from))
    assert kinds == {"logged_pages": logged_pages, "constructed_pages": constructed_pages}


def test_post_training_learns_from_every_page_that_was_seen(data: Dataset) -> None:
    assert counted(PostExamples(examples_of(data, "both")))["logged_pages"] == 3
    only_logged = PostExamples(examples_of(data, "logged"))
    assert counted(only_logged) == {"logged_pages": 3, "constructed_pages": 0}
    constructed = PostExamples(examples_of(data, "constructed"))
    assert counted(constructed) == {"logged_pages": 0, "constructed_pages": 10}


def test_what_there_is_to_learn_from_is_told(data: Dataset) -> None:
    facts = examples_of(data, "both").logged.facts()
    presentation = facts.pop("presentation")
    assert facts == {
        "from": "both",
        "logged": 3,
        "logged_positive": 1,
        "logged_unlike": 0,
        "logged_older": 0,
        "users_logged": 2,
        "users_constructed": 3,
    }
    assert isinstance(presentation, dict)
    assert presentation["pages"] == 3
    assert "presentation" not in examples_of(data, "constructed").logged.facts()


def test_logged_pages_that_are_not_there_are_an_error(dataset: Dataset, data: Dataset) -> None:
    with pytest.raises(NothingToTrainError, match='pages_from is "logged", but there is no'):
        examples_of(dataset, "logged")
    assert counted(examples_of(dataset, "both"))["logged_pages"] == 0


def test_the_history_is_learned_from_once(data: Dataset) -> None:
    """A logged page's window repeats steps: only the user's own window has targets of them."""
    [batch] = examples_of(data, "both", positions_per_batch=10_000).epoch(np.random.default_rng(0))
    steps = sum(len(user.steps) for user in data.users)
    assert len(batch.history.at_J) == steps
    assert len(batch.entity_BL) == 6


def test_a_checkpoint_of_other_pages_is_refused(data: Dataset, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, pages_from="both")

    def identity(of: Dataset) -> object:
        return identity_of(config, of, Examples(of, page_builder(of), config), 1)

    fewer = dataclasses.replace(
        data, shown=dataclasses.replace(data.shown, pages=data.shown.pages[:2])
    )
    told = differences(identity(data), identity(fewer))  # type: ignore[arg-type]
    assert told.startswith("data.logged_pages was")
