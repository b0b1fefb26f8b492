"""A page's sequence through the graphs: chunks or single tokens come to the same."""

import numpy as np
import pytest
from engine.factories_engine import prompt_of

from pagecast.engine.bundle import Bundle
from pagecast.engine.decoder import Decoder
from pagecast.engine.errors import EngineError
from pagecast.engine.kv_cache import KvCache
from pagecast.engine.model import Model
from pagecast.featurestore.snapshot import CatalogSnapshot

TOLERANCE = 1e-5


@pytest.fixture
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


def decoder_of(model: Model, positions: int = 64) -> tuple[Decoder, KvCache]:
    cache = KvCache(model.bundle.manifest.model, positions)
    return Decoder(model, cache), cache


def test_chunks_give_the_hidden_state_of_single_tokens(model: Model) -> None:
    tokens_SD = model.entities.input_ND[[3, 9, 27, 4, 8]]
    one_by_one, cache = decoder_of(model)
    chunks, chunk_cache = decoder_of(model)
    prompt = prompt_of("e1", "e2")
    np.testing.assert_array_equal(one_by_one.prefill(prompt), chunks.prefill(prompt))
    for token_D in tokens_SD:
        hidden_SD = one_by_one.feed(token_D[None])
    chunks.feed(tokens_SD[:2])
    np.testing.assert_allclose(chunks.feed(tokens_SD[2:])[-1], hidden_SD[-1], atol=TOLERANCE)
    for ours, theirs in zip(cache.past(), chunk_cache.past(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
    assert (one_by_one.runs, chunks.runs) == (6, 3)


def test_a_token_taken_back_was_never_there(model: Model) -> None:
    straight, _ = decoder_of(model)
    detour, _ = decoder_of(model)
    tokens_SD = model.entities.input_ND[[3, 9, 27]]
    for decoder in (straight, detour):
        decoder.prefill(prompt_of("e1"))
    after_first_D = detour.feed(tokens_SD[:2])[0]
    detour.take_back(1)
    np.testing.assert_allclose(after_first_D, straight.feed(tokens_SD[:1])[0], atol=TOLERANCE)
    np.testing.assert_allclose(
        detour.feed(tokens_SD[2:]), straight.feed(tokens_SD[2:]), atol=TOLERANCE
    )


def test_every_step_of_the_prompt_counts(model: Model) -> None:
    hidden = [
        decoder_of(model)[0].prefill(prompt_of(*ids)).tobytes()
        for ids in ((), ("e1",), ("e2",), ("e1", "e2"), ("e2", "e1"), ("nobody",))
    ]
    assert len(set(hidden)) == len(hidden)


def test_a_prompt_longer_than_the_model_was_made_for_is_refused(model: Model) -> None:
    decoder, _ = decoder_of(model, 600)
    with pytest.raises(EngineError, match="a prompt of 513 steps; build it of at most 512"):
        decoder.prefill(prompt_of(*["e1"] * 513))


def test_a_field_outside_the_vocabulary_is_refused(model: Model) -> None:
    prompt = prompt_of("e1")
    object.__setattr__(prompt.profile, "profile_type", -1)
    with pytest.raises(EngineError, match="field outside the vocabulary"):
        decoder_of(model)[0].prefill(prompt)


def test_no_more_is_fed_than_the_cache_holds(model: Model) -> None:
    decoder, _ = decoder_of(model, 4)
    decoder.prefill(prompt_of("e1"))
    decoder.feed(model.entities.input_ND[:1])
    with pytest.raises(EngineError, match="a page of 5 positions"):
        decoder.feed(model.entities.input_ND[:1])
