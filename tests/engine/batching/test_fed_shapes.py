"""Decoding feeds a bounded set of shapes, whatever pages come: a GPU can capture each once."""

from random import Random

import pytest
from engine.factories_batch import Received, batch_of, finish, job_of, rules_of
from engine.factories_engine import prompt_of
from hypothesis import given, settings
from rules.factories_rules import SEEDS

from pagecast.engine.batching.slot_decoder import CHUNK_MAX
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.graph import Array, Binding
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

SLOTS = 5


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


@settings(max_examples=15, deadline=None)
@given(random=SEEDS)
def test_steps_are_of_as_many_pages_as_there_are_slots_and_chunks_of_one(
    model: Model, random: Random
) -> None:
    fed: set[tuple[str, tuple[int, ...]]] = set()
    take = Binding.take

    def remember(self: Binding, name: str, array: Array) -> None:
        fed.add((name, array.shape))
        take(self, name, array)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Binding, "take", remember)
        decode_pages(model, random)
    width = model.bundle.manifest.model.d_model
    tokens = {shape for name, shape in fed if name == "tokens_BSD"}
    steps = {(pages, 1, width) for pages in range(1, SLOTS + 1)}
    chunks = {(1, new, width) for new in range(1, CHUNK_MAX + 1)}
    assert tokens <= steps | chunks
    # Caches are the slots' buffers at their full length, however long a page is.
    shape = model.bundle.manifest.model
    caches = {of for name, of in fed if name.endswith("_BHCK")}
    whole = (shape.kv_heads, shape.positions_max, shape.head_dim)
    assert caches <= {(pages, *whole) for pages in range(1, SLOTS + 1)}
    assert {of for name, of in fed if name == "total"} == {()}


def decode_pages(model: Model, random: Random) -> None:
    """Pages of any length with prompts of any, joining out of step."""
    batch = batch_of(model, slots=SLOTS)
    for _ in range(8):
        while batch.full:
            batch.turn()
        prompt = prompt_of(*(f"e{i % 60}" for i in range(random.randrange(200))))
        rules = rules_of(model, rows=random.randint(1, 4), entities_per_row=random.randint(3, 12))
        exact_entities = random.choice((0, 3, 40))
        batch.join(job_of(model, Received(), prompt, rules=rules, exact_entities=exact_entities))
        for _ in range(random.randrange(6)):
            batch.turn()
    finish(batch)
