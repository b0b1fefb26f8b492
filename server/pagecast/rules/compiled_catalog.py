"""What follows from a catalog snapshot alone, computed once and shared by all its pages.

Letters in names: N entities and R rows of the snapshot, W words of 64 entities.
"""

from functools import cached_property

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogRow, CatalogSnapshot
from pagecast.rules import bitsets
from pagecast.rules.availability import SETS_KEPT_MAX, Availability
from pagecast.rules.bitsets import Words
from pagecast.rules.kept_sets import KeptSets
from pagecast.rules.predicates import AttributeColumns, Indices, Mask, evaluate

GENRES_KEPT_MAX = 1024
"""Sets of entities by genre kept for BECAUSE rows: 128 MB at a million entities."""


def changed_entities(older: CatalogSnapshot, newer: CatalogSnapshot) -> Indices:
    """Indices at which `newer` holds another version of an entity than `older`, or a new one."""
    kept = min(len(older.entities), len(newer.entities))
    pairs = zip(older.entities[:kept], newer.entities[:kept], strict=True)
    changed = [i for i, (a, b) in enumerate(pairs) if a is not b and _version(a) != _version(b)]
    return np.array([*changed, *range(kept, len(newer.entities))], np.int64)


class CompiledCatalog:
    """A snapshot as bitsets and columns. Never changes, so any number of threads may share it.

    `words_RW` says which entities a row's predicate holds for; rows with a source and retired rows
    hold none. Given an `older` one, only changed entities and changed rows are evaluated.
    """

    def __init__(self, snapshot: CatalogSnapshot, older: "CompiledCatalog | None" = None) -> None:
        entities = snapshot.entities
        self.snapshot = snapshot
        self.availability = Availability(entities)
        self.unretired_W = bitsets.pack(np.array([not e.retired for e in entities], bool))
        self._maturity_N = np.array([e.maturity for e in entities], np.int64)
        self._kind_N = np.array([e.kind for e in entities], np.int64)
        self._columns = AttributeColumns(entities)
        self.words_RW = self._evaluate_rows() if older is None else self._extend_rows(older)
        self._suitable, self._of_kind = KeptSets(SETS_KEPT_MAX), KeptSets(SETS_KEPT_MAX)
        self._of_genre = KeptSets(GENRES_KEPT_MAX)

    @cached_property
    def bitmaps_RN(self) -> Mask:
        """`words_RW` as bool, for looking up entities one by one."""
        entities = len(self.snapshot.entities)
        bits_RN = np.unpackbits(
            self.words_RW.view(np.uint8), axis=1, count=entities, bitorder="little"
        )
        return bits_RN.view(np.bool_)

    def sharing_genre(self, entity: int) -> Words:
        """Entities [W] with at least one of the entity's genres, itself included if it has any."""
        sharing_W = bitsets.empty(len(self.snapshot.entities))
        for genre in self.snapshot.entities[entity].genres:
            sharing_W |= self._genre(genre)
        return sharing_W

    @cached_property
    def newest_released(self) -> tuple[Indices, Indices]:
        """Entities with a release, newest first (ties: lowest index first), and its time negated:
        ascending, for a binary search."""
        released = [
            (-entity.released_at_ms, index)
            for index, entity in enumerate(self.snapshot.entities)
            if entity.released_at_ms is not None
        ]
        released.sort()
        before_ms = np.array([before for before, _ in released], np.int64)
        return np.array([index for _, index in released], np.int64), before_ms

    def suitable(self, maturity_limit: int) -> Words:
        """Entities [W] suitable for this age."""
        return self._suitable.get(
            maturity_limit, lambda: bitsets.pack(self._maturity_N <= maturity_limit)
        )

    def of_kind(self, kind: int) -> Words:
        """Entities [W] of a kind."""
        return self._of_kind.get(kind, lambda: bitsets.pack(self._kind_N == kind))

    def _genre(self, genre: str) -> Words:
        return self._of_genre.get(
            genre, lambda: bitsets.pack(self._columns.having("genre", [genre]))
        )

    def _evaluate_rows(self) -> Words:
        words_RW = self._no_rows()
        for index, row in enumerate(self.snapshot.rows):
            if row.predicate is not None and not row.retired:
                words_RW[index] = bitsets.pack(evaluate(row.predicate, self._columns))
        return words_RW

    def _extend_rows(self, older: "CompiledCatalog") -> Words:
        snapshot = self.snapshot
        kept = min(len(older.snapshot.entities), len(snapshot.entities))
        changed = changed_entities(older.snapshot, snapshot)
        changed_columns = AttributeColumns([snapshot.entities[i] for i in changed])
        words_RW = self._no_rows()
        for index, row in enumerate(snapshot.rows):
            if row.predicate is None or row.retired:
                continue
            if _same_candidates(older.snapshot.rows, index, row):
                mask_N = np.zeros(len(snapshot.entities), bool)
                mask_N[:kept] = bitsets.unpack(older.words_RW[index], kept)
                mask_N[changed] = evaluate(row.predicate, changed_columns)
            else:
                mask_N = evaluate(row.predicate, self._columns)
            words_RW[index] = bitsets.pack(mask_N)
        return words_RW

    def _no_rows(self) -> Words:
        one_W = bitsets.empty(len(self.snapshot.entities))
        return np.zeros((len(self.snapshot.rows), len(one_W)), one_W.dtype)


def _version(entity: CatalogEntity) -> tuple[str, int, int]:
    # A catalog topic that starts over counts from 0 again, so the number alone is not enough.
    return entity.entity_id, entity.number, entity.changed_at_ms


def _same_candidates(older_rows: tuple[CatalogRow, ...], index: int, row: CatalogRow) -> bool:
    older = older_rows[index] if index < len(older_rows) else None
    return older is not None and not older.retired and older.predicate == row.predicate
