"""Rows and entities are read from one state, whatever the head makes of the decoder's."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from trainer.factories_trainer import SMALL

from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data import Dataset
from pagecast.trainer.graphs import export, graph_specs
from pagecast.trainer.heads import OutputHead
from pagecast.trainer.model import PageModel
from pagecast.trainer.parity import DIFFERENCE_MAX, EXAMPLE, RandomInputs, compare


def head_of(data: Dataset, **options: object) -> OutputHead:
    """With random weights: those of heads begin at zero."""
    torch.manual_seed(0)
    head = OutputHead(ModelConfig(d_model=16, **options), data.vocabulary)  # type: ignore[arg-type]
    for parameter in head.parameters():
        nn.init.normal_(parameter)
    return head


def states() -> Tensor:
    return torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


def test_without_options_the_state_is_the_decoders(dataset: Dataset) -> None:
    decoded = states()
    assert head_of(dataset)(decoded) is decoded


def test_a_conditioned_state_moves_by_what_is_expected_next(dataset: Dataset) -> None:
    head, decoded = head_of(dataset, conditioned_head=True), states()
    genre, language = (torch.softmax(logits, -1) for logits in head.logits(decoded))
    assert head.condition is not None
    moved = decoded + head.condition(torch.cat([genre, language], -1))
    torch.testing.assert_close(head(decoded), moved)
    assert not torch.allclose(moved, decoded)


def test_a_head_that_has_learned_nothing_changes_nothing(dataset: Dataset) -> None:
    head = OutputHead(ModelConfig(d_model=16, conditioned_head=True), dataset.vocabulary)
    torch.testing.assert_close(head(states()), states())


def test_the_loss_of_entities_reaches_the_heads_it_is_conditioned_on(dataset: Dataset) -> None:
    head = head_of(dataset, conditioned_head=True)
    head(states()).square().sum().backward()
    assert head.genre.weight.grad is not None
    assert head.genre.weight.grad.abs().sum() > 0
    assert head.language.weight.grad is not None


def test_a_projection_narrows_outputs_and_nothing_else(dataset: Dataset) -> None:
    config = dataclasses.replace(SMALL.model, output_dim=8)
    model = PageModel(config, dataset.vocabulary)
    inputs = RandomInputs(model=model, vocabulary=dataset.vocabulary)
    input_ED, output_ED = graph_specs(model)[0].module(*inputs.draw("entity_tower", EXAMPLE, 0))
    assert input_ED.shape[1] == model.row_input_RD.shape[1] == SMALL.model.d_model
    assert output_ED.shape[1] == model.row_output_RD.shape[1] == 8
    assert model.head(torch.zeros(3, SMALL.model.d_model)).shape == (3, 8)


@pytest.mark.parametrize("graph", [0, 1, 2], ids=["tower", "prefill", "decode"])
def test_exported_graphs_have_the_head_in_them(dataset: Dataset, graph: int) -> None:
    config = dataclasses.replace(SMALL.model, output_dim=8, conditioned_head=True)
    torch.manual_seed(0)
    model = PageModel(config, dataset.vocabulary).eval()
    model.tower.sparse_gradients()
    for parameter in model.head.parameters():
        nn.init.normal_(parameter, std=0.3)
    inputs = RandomInputs(model=model, vocabulary=dataset.vocabulary)
    spec = graph_specs(model)[graph]
    exported = export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))
    assert compare(spec, exported, inputs) < DIFFERENCE_MAX
