"""What a step is given: the catalog, or just the few entities its batch needs."""

import dataclasses

import numpy as np
import pytest
import torch
from trainer.factories_trainer import SMALL

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.examples import Examples
from pagecast.trainer.config import ObjectiveConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.data.launches import Launches
from pagecast.trainer.fitting.checkpoint import Checkpoint
from pagecast.trainer.fitting.inputs import Inputs
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.run import Run
from pagecast.trainer.pages.constructed import PageBuilder

EVERYTHING = dataclasses.replace(
    SMALL,
    model=dataclasses.replace(SMALL.model, output_dim=16, conditioned_head=True),
    objective=ObjectiveConfig(negatives=4, genres=0.2, languages=0.2),
    positions_per_batch=128,
    dropout=0.1,
)


@pytest.fixture
def batch(dataset: Dataset, builder: PageBuilder) -> PackedBatch:
    """Few enough windows that not every entity is among them."""
    return next(iter(Examples(dataset, builder, EVERYTHING).epoch(np.random.default_rng(0))))


def inputs(data: Dataset, objective: ObjectiveConfig) -> Inputs:
    features = catalog_features(data.catalog, data.vocabulary)
    return Inputs(features, Launches(features, launch_rate=0.0, unknown_rate=0.0), objective)


def test_a_whole_softmax_is_given_the_catalog(dataset: Dataset, batch: PackedBatch) -> None:
    given = inputs(dataset, SMALL.objective).draw(batch, torch.Generator())
    assert given is not None
    assert given.batch is batch
    assert len(given.features["id_E"]) == len(dataset.catalog.entities)
    assert given.labels is None
    assert given.entity_offset_E is None


def test_a_sampled_one_is_given_what_the_batch_needs(dataset: Dataset, batch: PackedBatch) -> None:
    own = {*batch.entity_BL.ravel(), *batch.history.entity_K, *batch.pages.entity_K} - {-1}
    given = inputs(dataset, EVERYTHING.objective).draw(batch, torch.Generator())
    assert given is not None
    assert given.labels is not None
    assert given.entity_offset_E is not None
    expected = len(own) + EVERYTHING.objective.negatives
    assert expected < len(dataset.catalog.entities)
    sizes = {len(feature) for feature in given.features.values()}
    assert sizes | {len(given.labels.language_E), len(given.entity_offset_E)} == {expected}
    ids = catalog_features(dataset.catalog, dataset.vocabulary)["id_E"]
    assert torch.equal(
        given.features["id_E"][given.batch.history.entity_K], ids[batch.history.entity_K]
    )


@pytest.mark.parametrize("objective", [SMALL.objective, EVERYTHING.objective])
def test_a_process_without_a_batch_draws_as_much(
    dataset: Dataset, batch: PackedBatch, objective: ObjectiveConfig
) -> None:
    """Else the processes of a group would present other entities as new from then on."""
    states = []
    for taken in (batch, None):
        generator = torch.Generator().manual_seed(5)
        given = inputs(dataset, objective).draw(taken, generator)
        assert (given is None) == (taken is None)
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_a_training_with_every_option_is_resumed_with_the_same_bytes(
    dataset: Dataset, builder: PageBuilder
) -> None:
    run = made(dataset, builder)
    for _ in range(3):
        run.step()
    kept = run.checkpoint().to_bytes()
    for _ in range(2):
        run.step()
    resumed = made(dataset, builder)
    resumed.resume(Checkpoint.from_bytes(kept))
    for _ in range(2):
        resumed.step()
    weights = resumed.model.state_dict()
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_every_option_is_trained(dataset: Dataset, builder: PageBuilder) -> None:
    """Nothing of the head stays as it began."""
    run = made(dataset, builder)
    before = {name: p.detach().clone() for name, p in run.model.head.named_parameters()}
    for _ in range(2):
        run.step()
    assert before.keys() == {
        f"{layer}.weight" for layer in ("genre", "language", "condition", "projection")
    }
    unchanged = [n for n, p in run.model.head.named_parameters() if torch.equal(p, before[n])]
    assert unchanged == ["language.weight"] * (not dataset.vocabulary.languages)


def made(data: Dataset, builder: PageBuilder, config: TrainConfig = EVERYTHING) -> Run:
    return Run(data, builder, config, Processes())
