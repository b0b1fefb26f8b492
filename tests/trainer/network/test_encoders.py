"""The encoders say what the model says, through the release's map, and pass gradients on."""

import dataclasses

import numpy as np
import pytest
import torch
from trainer.factories_base import base_of
from trainer.factories_trainer import SMALL

from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.export.release import own_embeddings, some_of
from pagecast.trainer.network.encoders import EntityEncoder, UserEncoder
from pagecast.trainer.network.tower import FEATURES
from pagecast.trainer.tasks.prompts import TaskPrompt, padded

WIDTH = 32


def a_map() -> Stabilisation:
    entity_OP = np.random.default_rng(0).normal(size=(WIDTH, WIDTH)) + 4.0 * np.eye(WIDTH)
    return Stabilisation(entity_OP=entity_OP, user_OP=np.linalg.inv(entity_OP).T)


def prompts_of(dataset: Dataset, count: int) -> list[TaskPrompt]:
    """Of different lengths, so that there is padding."""
    index, found = dataset.catalog.entity_index, []
    for number, user in enumerate(some_of(dataset.users)[:count]):
        cut = len(user.steps) - 1 - number % 3
        context = dataset.vocabulary.context
        encoded = encode_prompt(prompt_at(user, cut, dataset.catalog, context), dataset.vocabulary)
        entity_T = np.array([index.get(e, -1) for e in encoded.entity_ids], np.int64)
        found.append(TaskPrompt(entity_T=entity_T, fields_TF=encoded.fields_TF))
    return found


def test_a_user_is_encoded_as_the_model_is_asked(dataset: Dataset) -> None:
    base, published = base_of(dataset, dataset.vocabulary), a_map()
    users = [
        dataclasses.replace(
            user,
            steps=user.steps[: len(user.steps) - number % 3],
            first_N=user.first_N[: len(user.steps) - number % 3],
        )
        for number, user in enumerate(some_of(dataset.users)[:5])
    ]
    own = own_embeddings(base.model, base.vocabulary, dataset.catalog, users)
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    encoder = UserEncoder(base.model, base.vocabulary, published)
    with torch.no_grad():
        input_ED, _ = base.model.embed_entities(features)
        user_BP = encoder(*padded(prompts_of(dataset, 5), input_ED)).numpy()
    expected = published.users(own.user_UO)
    np.testing.assert_allclose(user_BP, expected, atol=1e-4 * np.abs(expected).max())


def test_an_entity_is_encoded_as_it_is_published(dataset: Dataset) -> None:
    base, published = base_of(dataset, dataset.vocabulary), a_map()
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    with torch.no_grad():
        _, output_EO = base.model.embed_entities(features)
        encoder = EntityEncoder(base.model, published)
        entity_EP = encoder(*(features[name] for name in FEATURES)).numpy()
    expected = published.entities(output_EO.numpy())
    np.testing.assert_allclose(entity_EP, expected, atol=1e-4 * np.abs(expected).max())


def test_a_gradient_reaches_the_models_weights(dataset: Dataset) -> None:
    base = base_of(dataset, dataset.vocabulary)
    features = catalog_features(dataset.catalog, dataset.vocabulary)
    encoder = UserEncoder(base.model, base.vocabulary, Stabilisation.identity(WIDTH))
    input_ED, _ = base.model.embed_entities(features)
    encoder(*padded(prompts_of(dataset, 3), input_ED)).square().sum().backward()
    for weight in (
        base.model.tower.input.id.weight,
        base.model.fields.weight,
        base.model.decoder.blocks[0].down.weight,  # type: ignore[union-attr]
        base.model.row_input_RD,
    ):
        assert isinstance(weight, torch.Tensor)
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0


def test_a_model_that_compresses_is_refused(dataset: Dataset) -> None:
    config = dataclasses.replace(SMALL.model, compress_keep=64)
    base = base_of(dataset, dataset.vocabulary, config)
    with pytest.raises(ValueError, match="compress_keep: the user encoder takes models with 0"):
        UserEncoder(base.model, base.vocabulary, Stabilisation.identity(WIDTH))
