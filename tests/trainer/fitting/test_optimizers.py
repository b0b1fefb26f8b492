"""Tables cost only the rows that a step moves, and nothing else changes."""

import dataclasses

import pytest
import torch
from torch import nn
from trainer.factories_trainer import SMALL

from pagecast.trainer.config import ObjectiveConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.fitting.optimizers import Optimizers
from pagecast.trainer.network.model import PageModel

SOME = torch.tensor([0, 3, 4, 3])
"""Entities of a step, one of them twice."""


def model_of(data: Dataset, *, sparse: bool) -> PageModel:
    torch.manual_seed(0)
    model = PageModel(SMALL.model, data.vocabulary)
    if sparse:
        model.tower.sparse_gradients()
    return model


def backward(model: PageModel, data: Dataset) -> None:
    features = catalog_features(data.catalog, data.vocabulary)
    input_ED, output_ED = model.embed_entities({n: f[SOME] for n, f in features.items()})
    (input_ED.square().sum() + output_ED.square().sum()).backward()


def norm(model: PageModel) -> float:
    dense = [p.grad.to_dense() for p in model.parameters() if p.grad is not None]
    return float(nn.utils.get_total_norm(dense))


@pytest.mark.parametrize("norm_max", [0.01, 1e6])
def test_sparse_gradients_are_clipped_as_dense_ones(dataset: Dataset, norm_max: float) -> None:
    norms = []
    for sparse in (False, True):
        model = model_of(dataset, sparse=sparse)
        backward(model, dataset)
        before = norm(model)
        Optimizers(model, SMALL).clip(norm_max)
        norms.append(norm(model))
        assert norms[-1] == pytest.approx(min(before, norm_max), rel=1e-3)
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_a_step_moves_the_rows_of_its_entities_and_no_others(dataset: Dataset) -> None:
    model = model_of(dataset, sparse=True)
    before = model.tower.output.id.weight.detach().clone()
    optimizers = Optimizers(model, SMALL)
    backward(model, dataset)
    optimizers.step(0.01)
    ids = catalog_features(dataset.catalog, dataset.vocabulary)["id_E"][SOME]
    moved = (model.tower.output.id.weight != before).any(1).nonzero()[:, 0]
    assert moved.tolist() == sorted(set(ids.tolist()))


def test_the_first_step_of_a_row_is_as_long_as_adamws(dataset: Dataset) -> None:
    """Afterwards they differ: moments of rows that no batch has rest, and nothing decays."""
    tables = []
    for sparse in (False, True):
        model = model_of(dataset, sparse=sparse)
        optimizers = Optimizers(model, dataclasses.replace(SMALL, weight_decay=0.0))
        backward(model, dataset)
        optimizers.step(0.01)
        tables.append(model.tower.input.id.weight.detach())
    torch.testing.assert_close(tables[0], tables[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_resumed_moments_make_the_same_steps(dataset: Dataset, sparse: bool) -> None:
    model, other = model_of(dataset, sparse=sparse), model_of(dataset, sparse=sparse)
    optimizers, resumed = Optimizers(model, SMALL), Optimizers(other, SMALL)

    def step(of: PageModel, by: Optimizers) -> None:
        by.zero_grad()
        backward(of, dataset)
        by.clip(1.0)
        by.step(0.01)

    for _ in range(3):
        step(model, optimizers)
    other.load_state_dict(model.state_dict())
    resumed.resume({name: value.clone() for name, value in optimizers.state().items()})
    for _ in range(2):
        step(model, optimizers)
        step(other, resumed)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_options_are_off_unless_told() -> None:
    objective = ObjectiveConfig()
    assert (objective.negatives, objective.genres, objective.languages) == (0, 0.0, 0.0)
    assert TrainConfig().model.output_width == TrainConfig().model.d_model
    assert not TrainConfig().model.conditioned_head
