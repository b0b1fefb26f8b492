"""Nearest entities: exactly or through an index, and never a forbidden one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.engine.graph import FloatArray
from pagecast.engine.vectors import neighbours
from pagecast.engine.vectors.neighbours import NeighbourIndex, Neighbours, nearest, unit
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words

ENTITIES, WIDTH = 600, 12


def vectors(entities: int = ENTITIES, seed: int = 0) -> FloatArray:
    """Of very different lengths: the nearest by angle are not those of the largest products."""
    rng = np.random.default_rng(seed)
    lengths_N1 = rng.lognormal(0.0, 1.0, (entities, 1))
    return (rng.standard_normal((entities, WIDTH)) * lengths_N1).astype(np.float32)


def allowed(share: float, entities: int = ENTITIES, seed: int = 1) -> Words:
    return bitsets.pack(np.random.default_rng(seed).random(entities) < share)


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch) -> Neighbours:
    """An index is used however few may be found."""
    monkeypatch.setattr(neighbours, "EXACT_ENTITIES_MAX", 0)
    table_NO = vectors()
    return Neighbours(vectors_NO=table_NO, index=NeighbourIndex.build(table_NO))


@given(st.integers(0, 2**32), st.floats(0.0, 1.0), st.integers(1, 40))
def test_exactly_the_largest_products_of_the_allowed(seed: int, share: float, most: int) -> None:
    table_NO, allowed_W = vectors(seed=seed), allowed(share, seed=seed)
    query_O = vectors(1, seed + 1)[0]
    found = nearest(table_NO, query_O, allowed_W, most)
    product_N = {i: table_NO[i] @ query_O for i in bitsets.members(allowed_W, ENTITIES).tolist()}
    expected = sorted(product_N, key=lambda i: (-product_N[i], i))[:most]
    # A product near 0 is what is left of terms that are as large as any: they are rounded.
    np.testing.assert_allclose(
        found.score_I, [product_N[i] for i in expected], rtol=1e-5, atol=1e-5
    )
    assert set(found.entities_I.tolist()) <= set(product_N)
    assert (np.diff(found.score_I) <= 0).all()


def test_of_equals_the_first_come_first() -> None:
    table_NO = np.ones((5, WIDTH), np.float32)
    found = nearest(table_NO, table_NO[0], bitsets.pack(np.ones(5, bool)), 3)
    assert found.entities_I.tolist() == [0, 1, 2]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.0])
def test_an_index_finds_by_product_and_only_what_is_allowed(
    indexed: Neighbours, share: float
) -> None:
    allowed_W, recalled = allowed(share), []
    for query_O in vectors(20, seed=9):
        found = indexed.nearest(query_O, allowed_W, 10)
        exact = nearest(indexed.vectors_NO, query_O, allowed_W, 10)
        assert bitsets.held(allowed_W, found.entities_I).all()
        assert len(found.entities_I) == len(exact.entities_I)
        np.testing.assert_allclose(
            found.score_I, indexed.vectors_NO[found.entities_I] @ query_O, rtol=1e-5
        )
        recalled.append(len(np.intersect1d(found.entities_I, exact.entities_I)))
    assert sum(recalled) >= 0.9 * 20 * min(10, int(bitsets.sizes(allowed_W)))


def test_an_index_outlives_changes_which_are_searched_beside_it(indexed: Neighbours) -> None:
    index = indexed.index
    assert index is not None
    later_NO = np.concatenate([indexed.vectors_NO, vectors(70, seed=5)])
    later_NO[3] *= -1
    later = Neighbours(vectors_NO=later_NO, index=index, fresh_I=index.fresh(later_NO))
    assert later.fresh_I.tolist() == [3, *range(ENTITIES, ENTITIES + 70)]
    everything_W = bitsets.pack(np.ones(len(later_NO), bool))
    for changed in (3, ENTITIES + 1, ENTITIES + 69):
        query_O = 100 * later_NO[changed]
        best = nearest(later_NO, query_O, everything_W, 1).entities_I
        assert later.nearest(query_O, everything_W, 5).entities_I[0] == best[0]


def test_a_catalog_that_lost_entities_gets_none_of_them(indexed: Neighbours) -> None:
    fewer_NO = indexed.vectors_NO[:100]
    fewer = Neighbours(vectors_NO=fewer_NO, index=indexed.index)
    found = fewer.nearest(indexed.vectors_NO[400], bitsets.pack(np.ones(100, bool)), 50)
    assert found.entities_I.max() < 100
    assert len(found.entities_I) == 50


def test_an_index_is_wanted_for_large_catalogs_and_after_many_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table_NO = vectors(100)
    assert not Neighbours(vectors_NO=table_NO).wants_index
    monkeypatch.setattr(neighbours, "EXACT_ENTITIES_MAX", 99)
    assert Neighbours(vectors_NO=table_NO).wants_index
    index = NeighbourIndex.build(table_NO)
    for fresh, wanted in ((0, False), (10, False), (11, True)):
        of = Neighbours(vectors_NO=table_NO, index=index, fresh_I=np.arange(fresh))
        assert of.wants_index is wanted


def test_unit_vectors_make_products_cosines() -> None:
    units_NO = unit(np.concatenate([vectors(5), np.zeros((1, WIDTH), np.float32)]))
    np.testing.assert_allclose(np.linalg.norm(units_NO, axis=1), [1, 1, 1, 1, 1, 0], rtol=1e-5)
