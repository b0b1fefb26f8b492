"""Probabilities of entities, genres and languages."""

from pathlib import Path

import numpy as np
import pytest
from engine.factories_engine import TinyModel, prompt_of, vocabulary_of, write_bundle
from rules.factories_rules import entity, predicate_row, snapshot

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import PredictionHead
from pagecast.engine.model import Model
from pagecast.engine.vectors.predicting import next_entity, next_genre, next_language, softmax
from pagecast.engine.vectors.user_encoder import UserEncoder, UserState

FILMS = snapshot(
    [
        entity("one", "Drama", languages=("en",)),
        entity("two", "Drama", "Comedy", "Comedy", languages=("de", "en")),
        entity("none"),
        entity("new", "Opera", languages=("xx",)),
        entity("gone", "Comedy", retired=True, languages=("en",)),
    ],
    [predicate_row("top")],
)


def asked(folder: Path, *heads: PredictionHead) -> tuple[Model, UserState]:
    known = snapshot([e for e in FILMS.entities if e.entity_id != "new"], FILMS.rows)
    path = write_bundle(folder, vocabulary_of(known), TinyModel(prediction_heads=heads))
    model = Model(load_bundle(path), FILMS)
    return model, UserEncoder(PrefixCache(0)).encode(model, "ada", prompt_of("one"))


def test_every_entity_competes_the_retired_too(tmp_path: Path) -> None:
    model, state = asked(tmp_path)
    prediction = next_entity(model, state)
    assert tuple(prediction.names) == ("one", "two", "none", "new", "gone")
    assert prediction.probability_X.sum() == pytest.approx(1.0)
    logits_N = model.entities.output_ND @ state.hidden_O
    assert prediction.best(5) == np.argsort(-logits_N).tolist()


def test_without_a_head_an_entity_shares_its_probability_among_its_genres(tmp_path: Path) -> None:
    model, state = asked(tmp_path)
    one, two, none, new, gone = next_entity(model, state).probability_X
    genres = next_genre(model, state)
    assert not genres.by_head
    said = dict(zip(genres.names, genres.probability_X, strict=True))
    assert said == pytest.approx({"": none + new, "Comedy": two / 2 + gone, "Drama": one + two / 2})
    languages = next_language(model, state)
    said = dict(zip(languages.names, languages.probability_X, strict=True))
    assert said == pytest.approx({"": none + new, "en": one + gone, "de": two})


def test_a_head_that_was_trained_says_it_itself(tmp_path: Path) -> None:
    model, state = asked(tmp_path, PredictionHead.GENRE)
    genres, languages = next_genre(model, state), next_language(model, state)
    assert (genres.by_head, languages.by_head) == (True, False), "the other was not trained"
    assert model.bundle.heads is not None
    assert state.state_D is not None
    logits_G = model.bundle.heads.run({"state_BD": state.state_D[None]})["genre_BG"][0]
    np.testing.assert_allclose(genres.probability_X, softmax(logits_G))


def test_probabilities_of_far_apart_logits_are_numbers() -> None:
    told_V = softmax(np.array([1000.0, 0.0, -1000.0], np.float32))
    np.testing.assert_allclose(told_V, [1.0, 0.0, 0.0])
