"""Which tokens a prompt is fed as, from any position on, and which two prompts share."""

import dataclasses

import numpy as np
import pytest
from engine.factories_engine import TinyModel, prompt_of, vocabulary_of, write_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.engine.batching.prefix_cache import MadeFrom
from pagecast.engine.batching.prompt_tokens import cacheable_positions, encode, old_steps, tokens_of
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.context import Injected
from pagecast.featurestore.prompt.prompt import Prompt

KEEP = 8

ROUNDING = 1e-5
"""Sums of fields are added in an order that depends on how many positions there are."""


@pytest.fixture(scope="module")
def plain(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@pytest.fixture(scope="module")
def compressing(tmp_path_factory: pytest.TempPathFactory, catalog: CatalogSnapshot) -> Model:
    path = write_bundle(
        tmp_path_factory.mktemp("compressing"),
        vocabulary_of(catalog),
        TinyModel(compress_keep=KEEP),
    )
    return Model(load_bundle(path), catalog)


def told(*steps: int) -> Prompt:
    """A prompt with a context of three."""
    prompt = prompt_of(*(f"e{entity}" for entity in steps))
    return dataclasses.replace(prompt, injected=Injected(new=("e58", "e59"), live=("e57",)))


def history(steps: int) -> list[int]:
    return [7 * i % 60 for i in range(steps)]


@pytest.mark.parametrize(
    ("steps", "fed"),
    [(0, 1), (135, 136), (136, 1 + 32 + 8), (263, 1 + 32 + 135), (264, 1 + 64 + 8)],
)
def test_context_and_request_are_not_cacheable(compressing: Model, steps: int, fed: int) -> None:
    encoded = encode(compressing, told(*history(steps)))
    assert cacheable_positions(compressing, encoded) == fed
    assert len(tokens_of(compressing, encoded)) == fed + 3 + 1


def test_of_a_model_that_does_not_compress_every_step_is_cacheable(plain: Model) -> None:
    encoded = encode(plain, told(*history(264)))
    assert cacheable_positions(plain, encoded) == 1 + 264
    assert len(tokens_of(plain, encoded)) == 1 + 264 + 3 + 1


@pytest.mark.parametrize("steps", [0, 136, 270])
def test_tokens_from_any_position_on_are_those_of_the_whole_prompt(
    plain: Model, compressing: Model, steps: int
) -> None:
    for model in (plain, compressing):
        encoded = encode(model, told(*history(steps)))
        whole_TD = tokens_of(model, encoded)
        for start in range(len(whole_TD)):
            from_start_TD = tokens_of(model, encoded, start)
            np.testing.assert_allclose(from_start_TD, whole_TD[start:], atol=ROUNDING)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.integers(120, 280),
    dropped=st.sampled_from((0, 0, 0, 128)),
    added=st.integers(0, 20),
    changed=st.sets(st.integers(0, 279), max_size=2),
)
def test_what_prompts_have_in_common_are_equal_tokens_and_the_next_differ(
    compressing: Model, steps: int, dropped: int, added: int, changed: set[int]
) -> None:
    """Groups are the same only if all their steps are, and if they are groups in both."""
    before = history(steps)
    after = [*before, *history(added)]
    for at in changed & set(range(len(after))):
        after[at] = (after[at] + 1) % 60
    made, tokens = [], []
    for entities in (before, after[dropped:]):
        encoded = encode(compressing, told(*entities))
        compressed = old_steps(compressing, encoded)
        made.append(MadeFrom.of(encoded, compressing.snapshot, compressed=compressed))
        tokens.append(tokens_of(compressing, encoded))
        assert made[-1].positions == len(tokens[-1])
    one_TD, other_TD = tokens
    common = made[0].common(made[1])
    assert common == made[1].common(made[0])
    np.testing.assert_allclose(one_TD[:common], other_TD[:common], atol=ROUNDING)
    if common < min(len(one_TD), len(other_TD)):
        assert np.abs(one_TD[common] - other_TD[common]).max() > 100 * ROUNDING
