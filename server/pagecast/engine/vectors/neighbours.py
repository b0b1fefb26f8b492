"""Which of some entities have the largest products with a vector: exactly, or through an index.

The index is faiss's HNSW graph over products (docs/adr/0017), which also walks past entities that
are not allowed.

Letters in names: N entities of the snapshot, O width of output embeddings, W words of 64 entities,
I entities.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.predicates import Indices

EXACT_ENTITIES_MAX = 20_000
"""Up to this many candidates every product is computed: a millisecond or two at a width of 256. So
few are also where a filtered walk through a graph begins to miss what it looks for."""

FRESH_SHARE_MAX = 0.1
"""Share of the catalog that may change after an index is built, and is searched exactly beside it;
beyond it another index is built."""

LINKS = 32
"""Neighbours of an entity in the graph: faiss's usual choice, about 260 bytes an entity."""

BUILD_BREADTH, SEARCH_BREADTH = 128, 128
"""Entities kept in hand while the graph is built and walked (efConstruction, efSearch): what recall
costs (benchmarks/neighbours.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """Entities by index, the largest product first, of equals the lowest index."""

    entities_I: Indices
    score_I: FloatArray


def nearest(vectors_NO: FloatArray, query_O: FloatArray, allowed_W: Words, most: int) -> Nearest:
    """Exactly, by taking every product."""
    allowed_I = bitsets.members(allowed_W, len(vectors_NO))
    # Copying most of a table costs more than multiplying the rest of it needlessly.
    if len(allowed_I) < len(vectors_NO) // 2:
        return _best(allowed_I, vectors_NO[allowed_I] @ query_O, most)
    return _best(allowed_I, (vectors_NO @ query_O)[allowed_I], most)


@dataclass(frozen=True, kw_only=True, eq=False)
class NeighbourIndex:
    """A graph over the vectors it was built from. Never changes; safe for threads."""

    vectors_NO: FloatArray
    _graph: Any = field(repr=False)

    @classmethod
    def build(cls, vectors_NO: FloatArray) -> "NeighbourIndex":
        """Takes seconds for every 10,000 entities, in one thread that releases the GIL."""
        import faiss

        faiss.omp_set_num_threads(1)  # of this thread: a second one would take pages' core
        graph = faiss.IndexHNSWFlat(vectors_NO.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = BUILD_BREADTH
        graph.add(np.ascontiguousarray(vectors_NO))
        return cls(vectors_NO=vectors_NO, _graph=graph)

    def fresh(self, vectors_NO: FloatArray) -> Indices:
        """Entities of a later table whose vectors are not those the graph knows."""
        kept = min(len(self.vectors_NO), len(vectors_NO))
        changed_N = np.ones(len(vectors_NO), bool)
        changed_N[:kept] = (self.vectors_NO[:kept] != vectors_NO[:kept]).any(axis=1)
        return np.flatnonzero(changed_N)

    def search(self, query_O: FloatArray, allowed_W: Words, most: int) -> Indices:
        """At most `most` of the allowed, in no particular order; perhaps not all of the nearest."""
        import faiss

        faiss.omp_set_num_threads(1)
        selector = faiss.IDSelectorBitmap(allowed_W.view(np.uint8))
        breadth = max(SEARCH_BREADTH, 2 * most)
        parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=breadth)
        _, found_1I = self._graph.search(query_O[None], most, params=parameters)
        found_I: Indices = found_1I[0][found_1I[0] >= 0].astype(np.int64)
        return found_I


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbours:
    """The vectors of one model's entities, with an index for most of them if one is built.

    `fresh_I` are those the index does not know: they are always searched exactly.
    """

    vectors_NO: FloatArray
    index: NeighbourIndex | None = None
    fresh_I: Indices = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def wants_index(self) -> bool:
        """Whether a new index would make searches faster."""
        entities = len(self.vectors_NO)
        if entities <= EXACT_ENTITIES_MAX:
            return False
        return self.index is None or len(self.fresh_I) > FRESH_SHARE_MAX * entities

    def nearest(self, query_O: FloatArray, allowed_W: Words, most: int) -> Nearest:
        """The allowed entities with the largest products; scores are exact either way."""
        allowed = int(bitsets.sizes(allowed_W))
        if self.index is None or allowed <= EXACT_ENTITIES_MAX:
            return nearest(self.vectors_NO, query_O, allowed_W, most)
        known_W = allowed_W.copy()
        bitsets.remove(known_W, self.fresh_I)
        fresh_I = self.fresh_I[bitsets.held(allowed_W, self.fresh_I)]
        found_I = self.index.search(query_O, _as_long(known_W, self.index), most)
        if len(found_I) + len(fresh_I) < min(most, allowed):
            return nearest(self.vectors_NO, query_O, allowed_W, most)  # the walk ran dry
        either_I = np.concatenate([found_I, fresh_I])
        return _best(either_I, self.vectors_NO[either_I] @ query_O, most)


def unit(vectors_NO: FloatArray) -> FloatArray:
    """Each vector at length 1, so that products are cosines; a zero vector stays."""
    length_N1 = np.linalg.norm(vectors_NO, axis=-1, keepdims=True)
    unit_NO: FloatArray = vectors_NO / np.maximum(length_N1, np.float32(1e-12))
    return unit_NO


def _as_long(words_W: Words, index: NeighbourIndex) -> Words:
    """The set with just the words for entities the index holds: it reads no further."""
    words = bitsets.words_of(len(index.vectors_NO))
    return np.ascontiguousarray(words_W[:words])


def _best(entities_I: Indices, score_I: FloatArray, most: int) -> Nearest:
    if most < len(entities_I):
        cut = np.partition(score_I, len(score_I) - most)[len(score_I) - most]
        kept = score_I >= cut
        entities_I, score_I = entities_I[kept], score_I[kept]
    order_I = np.lexsort((entities_I, -score_I))[:most]
    return Nearest(entities_I=entities_I[order_I], score_I=score_I[order_I])
