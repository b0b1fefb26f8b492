"""Pages in slots: chunks or single tokens, alone or together, give the same result."""

import numpy as np
import pytest
from engine.factories_engine import prompt_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.batching.slot_decoder import CHUNK_MAX, SlotDecoder
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


def decoder_of(model: Model, slots: int = 1, **changes: int) -> SlotDecoder:
    shape = model.bundle.manifest.model.model_copy(update=changes)
    return SlotDecoder(model.bundle.decode, shape, slots)


def tokens(model: Model, count: int, seed: int = 0) -> FloatArray:
    """Tokens [S, D] as drawn by a seed."""
    entities = np.random.default_rng(seed).integers(0, 60, count)
    return model.entities.input_ND[entities]


def prefilled(model: Model, *entity_ids: str) -> tuple[SlotDecoder, FloatArray]:
    """A decoder of one page whose prompt was fed, and the hidden state after it."""
    decoder = decoder_of(model)
    hidden_SD = decoder.feed(0, tokens_of(model, encode(model, prompt_of(*entity_ids))))
    return decoder, hidden_SD[-1]


def test_chunks_give_the_hidden_states_of_single_tokens(model: Model) -> None:
    tokens_SD = tokens(model, 2 * CHUNK_MAX + 5)
    one_by_one, chunks = decoder_of(model), decoder_of(model)
    expected = np.concatenate([one_by_one.step([0], token_D[None]) for token_D in tokens_SD])
    np.testing.assert_allclose(chunks.feed(0, tokens_SD), expected, atol=TOLERANCE)
    for ours, theirs in zip(
        one_by_one.slots.prefix(0, 133), chunks.slots.prefix(0, 133), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_pages_together_are_the_pages_alone(model: Model, data: st.DataObject) -> None:
    """Whichever take their step together, however long each is, and whoever is between them."""
    lengths = data.draw(st.lists(st.integers(1, 90), min_size=2, max_size=5))
    together = decoder_of(model, slots=len(lengths))
    pages = [tokens(model, length + 1, seed) for seed, length in enumerate(lengths)]
    for slot, tokens_SD in enumerate(pages):
        together.feed(slot, tokens_SD[:-1])
    stepping = sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1)))
    hidden = dict(zip(stepping, together.step(stepping, newest(pages, stepping)), strict=True))
    rest = [slot for slot in range(len(lengths)) if slot not in stepping]
    if rest:
        hidden |= zip(rest, together.step(rest, newest(pages, rest)), strict=True)
    for slot, tokens_SD in enumerate(pages):
        alone_D = decoder_of(model).feed(0, tokens_SD)[-1]
        np.testing.assert_allclose(hidden[slot], alone_D, atol=TOLERANCE)


def newest(pages: list[FloatArray], slots: list[int]) -> FloatArray:
    return np.stack([pages[slot][-1] for slot in slots])


def test_a_step_touches_no_other_slot(model: Model) -> None:
    decoder = decoder_of(model, slots=4)
    for slot in range(4):
        decoder.feed(slot, tokens(model, 5, slot))
    before = [decoder.slots.prefix(slot, 6) for slot in (0, 3)]
    decoder.step([1, 2], tokens(model, 2))
    assert decoder.slots.filled_N.tolist() == [5, 6, 6, 5]
    for slot, held in zip((0, 3), before, strict=True):
        np.testing.assert_array_equal(decoder.slots.prefix(slot, 6), held)


def test_nothing_is_allocated_or_bound_anew_from_step_to_step(model: Model) -> None:
    decoder = decoder_of(model, slots=3)
    places = [cache.ctypes.data for cache in decoder.slots.caches.values()]
    for _ in range(20):
        decoder.step([0, 1, 2], tokens(model, 3))
        decoder.chunk(1, tokens(model, 4))
    assert [cache.ctypes.data for cache in decoder.slots.caches.values()] == places
    assert (len(decoder._steps), len(decoder._chunks)) == (1, 1)


def test_a_token_taken_back_was_never_there(model: Model) -> None:
    straight, _ = prefilled(model, "e1")
    detour, _ = prefilled(model, "e1")
    tokens_SD = model.entities.input_ND[[3, 9, 27]]
    after_first_D = detour.feed(0, tokens_SD[:2])[0]
    detour.take_back(0, 1)
    np.testing.assert_allclose(after_first_D, straight.feed(0, tokens_SD[:1])[0], atol=TOLERANCE)
    np.testing.assert_allclose(
        detour.feed(0, tokens_SD[2:]), straight.feed(0, tokens_SD[2:]), atol=TOLERANCE
    )


def test_a_page_begins_from_a_prefix_as_if_it_had_been_fed(model: Model) -> None:
    tokens_SD = tokens(model, 40)
    whole = decoder_of(model)
    expected = whole.feed(0, tokens_SD)[-1]
    other = decoder_of(model, slots=2)
    other.feed(1, tokens(model, 50, seed=9))
    other.slots.begin(1, whole.slots.prefix(0, 30))
    np.testing.assert_allclose(other.feed(1, tokens_SD[30:])[-1], expected, atol=TOLERANCE)


def test_every_step_of_the_prompt_counts(model: Model) -> None:
    hidden = [
        prefilled(model, *ids)[1].tobytes()
        for ids in ((), ("e1",), ("e2",), ("e1", "e2"), ("e2", "e1"), ("nobody",))
    ]
    assert len(set(hidden)) == len(hidden)


def test_a_prompt_longer_than_the_model_was_made_for_is_refused(model: Model) -> None:
    with pytest.raises(EngineError, match="a prompt of 513 steps; build it of at most 512"):
        prefilled(model, *["e1"] * 513)


def test_a_field_outside_the_vocabulary_is_refused(model: Model) -> None:
    prompt = prompt_of("e1")
    object.__setattr__(prompt.profile, "profile_type", -1)
    with pytest.raises(EngineError, match="field outside the vocabulary"):
        encode(model, prompt)


def test_no_more_is_fed_than_a_slot_holds(model: Model) -> None:
    decoder = decoder_of(model, slots=2, positions_max=4)
    decoder.feed(1, tokens(model, 4))
    for feed in (
        lambda: decoder.chunk(1, tokens(model, 1)),
        lambda: decoder.step([0, 1], tokens(model, 2)),
    ):
        with pytest.raises(EngineError, match="a page of 5 positions, a slot holds 4"):
            feed()
    assert decoder.slots.filled_N.tolist() == [0, 4]
