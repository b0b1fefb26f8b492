"""Indexes are built behind the calls, outlive the catalog's changes, and keep no model alive."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine.factories_engine import vocabulary_of, write_bundle
from rules.factories_rules import entity, predicate_row, snapshot
from server.factories_server import eventually

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.engine.vectors import neighbours
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules import bitsets
from pagecast.server.predictions.neighbour_indexes import NeighbourIndexes


def films(count: int) -> CatalogSnapshot:
    genres = ("Comedy", "Drama")
    return snapshot([entity(f"e{i}", genres[i % 2]) for i in range(count)], [predicate_row("top")])


@pytest.fixture
def model(tmp_path: Path) -> Model:
    catalog = films(60)
    return Model(load_bundle(write_bundle(tmp_path, vocabulary_of(catalog))), catalog)


@pytest.fixture
def indexes() -> Iterator[NeighbourIndexes]:
    made = NeighbourIndexes()
    yield made
    made.close()


def test_a_small_catalog_is_searched_exactly_for_ever(
    indexes: NeighbourIndexes, model: Model
) -> None:
    found = indexes.of(model)
    assert not found.by_product.wants_index
    assert indexes.of(model) is found


async def test_an_index_is_built_behind_the_calls_and_outlives_a_change(
    indexes: NeighbourIndexes, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "EXACT_ENTITIES_MAX", 0)
    assert indexes.of(model).by_product.index is None, "nobody waits for it"
    await eventually(lambda: indexes.of(model).by_product.index is not None)
    newer = Model(model.bundle, films(63), older=model)
    found = indexes.of(newer)
    assert found.by_product.index is indexes.of(model).by_product.index
    assert found.by_product.fresh_I.tolist() == found.by_cosine.fresh_I.tolist() == [60, 61, 62]
    everything_W = bitsets.pack(np.ones(63, bool))
    likest = found.by_cosine.nearest(found.by_cosine.vectors_NO[61], everything_W, 1)
    assert likest.score_I[0] == pytest.approx(1.0, abs=1e-5)


async def test_a_model_that_was_swapped_out_is_freed_with_its_index(
    indexes: NeighbourIndexes, model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(neighbours, "EXACT_ENTITIES_MAX", 0)
    catalog = films(60)
    path = write_bundle(tmp_path / "other", vocabulary_of(catalog))
    others = [Model(load_bundle(path), catalog)]
    indexes.of(others[0])
    await eventually(lambda: indexes.of(others[0]).by_product.index is not None)
    gone = weakref.ref(others[0].bundle)
    others.clear()
    await eventually(lambda: gc.collect() is not None and gone() is None)
    assert indexes.of(model).by_product.index is None, "another bundle's is of no use"
