import dataclasses

import numpy as np
import pytest
import torch
from factories import START_MS, play
from trainer.factories_trainer import SMALL, logged, replayed

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.snapshot import NothingToTrainError, Source
from pagecast.trainer.evaluation.protocols.next_slice import next_slice_quality
from pagecast.trainer.job import Trained
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.train import evaluate_next_slice


def untrained(dataset: Dataset) -> PageModel:
    torch.manual_seed(0)
    return PageModel(SMALL.model, dataset.vocabulary)


def test_the_protocol_and_all_three_are_told(world: StatePaths, trained: Trained) -> None:
    quality = evaluate_next_slice(Source(paths=world), trained)
    assert "strictly earlier" in quality.protocol
    assert "ties count against" in quality.protocol
    metrics = quality.metrics()
    for name in ("ndcg_at_10", "hr_at_10", "ndcg_at_10_all"):
        for prefix in ("", "popularity_", "last_item_counter_"):
            assert 0.0 <= metrics[prefix + name] <= 1.0
    assert metrics["ndcg_at_10_low"] < metrics["ndcg_at_10"] < metrics["ndcg_at_10_high"]


def test_steps_of_one_moment_are_predicted_from_the_same_prompt(
    dataset: Dataset, catalog: CatalogSnapshot
) -> None:
    """Swapping what happened at the same time changes nothing."""

    def quality(*entities: str) -> tuple[float, float]:
        events = [play("u", "e5", START_MS), *(play("u", e, START_MS + 1) for e in entities)]
        users = replayed(logged(events), known={("log", 0): 1})
        result = next_slice_quality(untrained(dataset), dataset.vocabulary, catalog, users)
        return result.pagecast.hr_at_10, result.pagecast.ndcg_at_10

    orders = [("e1", "e2", "e3"), ("e3", "e2", "e1"), ("e2", "e3", "e1")]
    assert len({quality(*order) for order in orders}) == 1


def test_what_comes_after_a_target_does_not_change_its_prediction(
    dataset: Dataset, catalog: CatalogSnapshot
) -> None:
    events = logged([play("u", f"e{3 * i}", START_MS + i * 1000) for i in range(8)])
    model = untrained(dataset)

    def gain(count: int) -> float:
        users = replayed(events[:count], known={("log", 0): 3})
        result = next_slice_quality(model, dataset.vocabulary, catalog, users)
        return result.pagecast.ndcg_at_10 * result.targets

    gains = [gain(count) for count in range(4, 9)]
    assert gains == sorted(gains)


def test_a_target_the_catalog_lacks_is_a_miss(dataset: Dataset, catalog: CatalogSnapshot) -> None:
    events = logged([play("u", "e5", START_MS), play("u", "unknown", START_MS + 1)])
    users = replayed(events, known={("log", 0): 1})
    result = next_slice_quality(untrained(dataset), dataset.vocabulary, catalog, users)
    assert result.targets == 1
    assert result.pagecast.hr_at_10 == result.popularity.hr_at_10 == 0.0


def test_nothing_new_is_an_error_with_a_remedy(dataset: Dataset, catalog: CatalogSnapshot) -> None:
    def known(user: UserSteps) -> UserSteps:
        return dataclasses.replace(user, new_N=np.zeros(len(user.steps), np.bool_))

    users = [known(user) for user in dataset.users]
    with pytest.raises(NothingToTrainError, match="ingest later events first"):
        next_slice_quality(untrained(dataset), dataset.vocabulary, catalog, users)


def test_baselines_learn_from_what_was_revealed(dataset: Dataset, catalog: CatalogSnapshot) -> None:
    """A stranger's third play of a day is what two others played since the training."""
    events = [play("u", "e5", START_MS)]
    events += [play(user, "e7", START_MS + at) for at, user in enumerate("abc", start=1)]
    users = replayed(logged(events), known={("log", 0): 1})
    result = next_slice_quality(untrained(dataset), dataset.vocabulary, catalog, users)
    assert result.targets == 3
    assert result.popularity.hr_at_10 == pytest.approx(2 / 3), "nobody had played it before a"


def test_what_is_no_interaction_is_no_target(dataset: Dataset, catalog: CatalogSnapshot) -> None:
    hidden = play("u", "e6", START_MS + 1)
    hidden.ClearField("play")
    hidden.hide.entity_id = "e6"
    events = [play("u", "e5", START_MS), hidden, play("u", "e7", START_MS + 2)]
    users = replayed(logged(events), known={("log", 0): 1})
    result = next_slice_quality(untrained(dataset), dataset.vocabulary, catalog, users)
    assert result.targets == 1
