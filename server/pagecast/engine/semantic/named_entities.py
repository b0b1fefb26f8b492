"""Entities of a snapshot by their semantic IDs, kept up with the catalog.

Letters in names: N entities of the snapshot, X those outside the vocabulary, L tokens of an ID, S
width of what is coded.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.engine.semantic.spelling import Spelling
from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.prompt.semantic_ids import LEVELS, as_tokens
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.predicates import Indices

Fused = Callable[[Sequence[CatalogEntity]], FloatArray]
"""The entity tower: where metadata would put entities, [X, S]."""


class NamedEntities:
    """`token_NL`, no two alike. Never changes.

    Names are given anew for each snapshot, in its order, so they depend on the catalog alone, not
    on when a server began to follow it. Only changed entities go through the tower; if none of them
    is new to the vocabulary, all names stay.
    """

    def __init__(
        self,
        spelling: Spelling,
        vocabulary: Vocabulary,
        snapshot: CatalogSnapshot,
        changed: Indices,
        fused: Fused,
        older: "NamedEntities | None" = None,
    ) -> None:
        """Raises EngineError if the tower fails, CodebookError if no ID is left."""
        ids = vocabulary.entity_ids
        id_N = np.array([ids.get(e.entity_id, 0) for e in snapshot.entities], np.int64)
        self._fused: dict[int, FloatArray] = {} if older is None else dict(older._fused)
        self._leaf_NL = np.zeros((len(id_N), LEVELS), np.int64)
        if older is not None:
            kept = min(len(older._leaf_NL), len(id_N))
            self._leaf_NL[:kept] = older._leaf_NL[:kept]
        new = changed[id_N[changed] == 0]
        fused_XS = fused([snapshot.entities[index] for index in new.tolist()])
        self._fused.update(zip(new.tolist(), fused_XS, strict=True))
        self._leaf_NL[new] = spelling.codebook.nearest(fused_XS)
        self._id_N = id_N
        if older is not None and not len(new) and np.array_equal(older._id_N, id_N):
            self.token_NL: Indices = older.token_NL
            return
        new_X = np.flatnonzero(id_N == 0)
        self.token_NL = spelling.codebook.assign(
            id_N, self._leaf_NL[new_X], [self._fused[index] for index in new_X.tolist()]
        )


def tokens_of_known(spelling: Spelling, vocabulary: Vocabulary, known: Iterable[str]) -> Indices:
    """`token_NL` of entities the catalog lost, for prompts; a first digit says nothing there."""
    ids = [vocabulary.entity_ids[entity_id] - 1 for entity_id in known]
    code_NL = spelling.codebook.code_VL[ids]
    return as_tokens(code_NL, np.ones(len(code_NL), np.bool_), spelling.codebook.codes)
