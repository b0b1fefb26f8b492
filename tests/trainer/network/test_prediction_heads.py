"""The heads of genre and language leave training as a graph that says what torch says."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from engine.factories_engine import prompt_of
from torch import nn
from trainer.factories_trainer import SMALL

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import HEADS_FILE, PredictionHead
from pagecast.engine.model import Model
from pagecast.engine.vectors.predicting import next_genre, next_language, softmax
from pagecast.engine.vectors.user_encoder import UserEncoder, next_row_token
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import DIFFERENCE_MAX, EXAMPLE, RandomInputs, compare
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.prediction_heads import trained_heads

PROMPT = prompt_of("e1", "e4", "e7")


def trained_for(**weights: float) -> TrainConfig:
    objective = dataclasses.replace(SMALL.objective, **weights)
    narrow = dataclasses.replace(SMALL.model, output_dim=8, conditioned_head=True)
    return dataclasses.replace(SMALL, model=narrow, objective=objective)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({}, ()),
        ({"genres": 0.1}, (PredictionHead.GENRE,)),
        ({"genres": 0.1, "languages": 0.2}, (PredictionHead.GENRE, PredictionHead.LANGUAGE)),
    ],
)
def test_heads_that_were_trained_are_exported(
    weights: dict[str, float], expected: tuple[PredictionHead, ...]
) -> None:
    """A head that only conditions the output says nothing of genres."""
    assert trained_heads(trained_for(**weights).to_json()) == expected
    assert trained_heads({}) == ()


@pytest.fixture(scope="module")
def exported(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[PageModel, Path]:
    """Of random weights: a head that moves what is read, and a projection behind it."""
    config = trained_for(genres=0.1)
    torch.manual_seed(0)
    model = PageModel(config.model, dataset.vocabulary).eval()
    for parameter in (*model.head.parameters(), *model.decoder.parameters()):
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.3)
    bundles = tmp_path_factory.mktemp("bundles")
    facts = BundleFacts(data={}, metrics={}, config=config.to_json())
    return model, bundles / write_bundle(bundles, model, dataset.vocabulary, facts).version


def test_the_exported_heads_are_the_model(dataset: Dataset) -> None:
    model = PageModel(trained_for(genres=0.1).model, dataset.vocabulary).eval()
    for parameter in model.head.parameters():
        nn.init.normal_(parameter)
    spec = graph_specs(model, heads=True)[3]
    inputs = RandomInputs(model=model, vocabulary=dataset.vocabulary)
    graph = export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))
    assert compare(spec, graph, inputs) < DIFFERENCE_MAX
    assert "state_BSD" in graph_specs(model, heads=True)[2].outputs
    assert "state_BSD" not in graph_specs(model)[2].outputs, "nothing is new without heads"


@pytest.mark.faults
@torch.no_grad()
def test_user_vector_and_heads_are_those_of_torch(
    exported: tuple[PageModel, Path], dataset: Dataset
) -> None:
    torch_model, path = exported
    model = Model(load_bundle(path), dataset.catalog)
    assert model.bundle.manifest.heads == (PredictionHead.GENRE,)
    assert model.bundle.manifest.metrics["heads_difference_max"] < 1e-4
    state = UserEncoder(PrefixCache(0)).encode(model, "ada", PROMPT)
    tokens_TD = tokens_of(model, encode(model, PROMPT))
    with_row_TD = np.concatenate([tokens_TD, next_row_token(model, tokens_TD[-1])[None]])
    decoded_1TD, _, _ = torch_model.decoder.prefill(torch.from_numpy(with_row_TD)[None])
    torch.testing.assert_close(
        torch.from_numpy(state.hidden_O), torch_model.head(decoded_1TD)[0, -1], atol=1e-4, rtol=0
    )
    genre_G, _ = torch_model.head.logits(decoded_1TD[0, -2])
    genres = next_genre(model, state)
    assert genres.by_head
    np.testing.assert_allclose(genres.probability_X, softmax(genre_G.numpy()), atol=1e-4)
    assert not next_language(model, state).by_head


@pytest.mark.faults
def test_the_file_is_in_the_manifest(exported: tuple[PageModel, Path]) -> None:
    bundle = load_bundle(exported[1])
    assert HEADS_FILE in bundle.manifest.files
    assert b'"heads"' in (exported[1] / "manifest.json").read_bytes()
