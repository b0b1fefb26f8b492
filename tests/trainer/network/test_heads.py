"""Rows and entities are read from one state, whatever the head makes of it."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from trainer.factories_trainer import SMALL

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.export.bundle import BundleFacts, load_model, write_bundle
from pagecast.trainer.export.graphs import graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.network.heads import OutputHead
from pagecast.trainer.network.model import PageModel


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


@pytest.mark.faults
def test_a_bundle_with_a_narrow_conditioned_head_is_the_model_and_is_loaded(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Every graph is compared with torch before it is written; the engine checks its widths."""
    config = dataclasses.replace(SMALL.model, output_dim=8, conditioned_head=True)
    torch.manual_seed(0)
    model = PageModel(config, dataset.vocabulary).eval()
    model.tower.sparse_gradients()
    for parameter in model.head.parameters():
        nn.init.normal_(parameter, std=0.3)
    told = dataclasses.replace(SMALL, model=config).to_json()
    facts = BundleFacts(data={}, metrics={}, config=told)
    manifest = write_bundle(tmp_path, model, dataset.vocabulary, facts)
    assert (manifest.model.d_model, manifest.model.output_dim) == (SMALL.model.d_model, 8)
    table = EntityTable(load_bundle(tmp_path / manifest.version), dataset.catalog)
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    with torch.no_grad():
        input_ED, output_ED = model.embed_entities(features)
    torch.testing.assert_close(torch.from_numpy(table.input_ND), input_ED, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.from_numpy(table.output_ND), output_ED, atol=1e-4, rtol=0)
    again, _, _ = load_model(tmp_path / manifest.version)
    assert again.config == config
