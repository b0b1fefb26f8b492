"""What follows from a catalog snapshot alone, computed once and shared by all its pages.

Letters in names: N entities and R rows of the snapshot.
"""

from functools import cached_property

import numpy as np

from pagecast.featurestore.snapshot import CatalogEntity, CatalogRow, CatalogSnapshot
from pagecast.rules.availability import Availability
from pagecast.rules.predicates import AttributeColumns, Indices, Mask, evaluate


def changed_entities(older: CatalogSnapshot, newer: CatalogSnapshot) -> Indices:
    """Indices at which `newer` holds another version of an entity than `older`, or a new one."""
    kept = min(len(older.entities), len(newer.entities))
    pairs = zip(older.entities[:kept], newer.entities[:kept], strict=True)
    changed = [i for i, (a, b) in enumerate(pairs) if a is not b and _version(a) != _version(b)]
    return np.array([*changed, *range(kept, len(newer.entities))], np.int64)


class CompiledCatalog:
    """A snapshot as bitmaps and columns. Never changes, so any number of threads may share it.

    `bitmaps_RN` says which entities a row's predicate holds for; rows with a source and retired
    rows hold none. Given an `older` one, only changed entities and changed rows are evaluated.
    """

    def __init__(self, snapshot: CatalogSnapshot, older: "CompiledCatalog | None" = None) -> None:
        entities = snapshot.entities
        self.snapshot = snapshot
        self.availability = Availability(entities)
        self.unretired_N = np.array([not e.retired for e in entities], bool)
        self.maturity_N = np.array([e.maturity for e in entities], np.int64)
        self._columns = AttributeColumns(entities)
        self.bitmaps_RN = self._evaluate_rows() if older is None else self._extend_rows(older)

    def sharing_genre(self, entity: int) -> Mask:
        """Entities [N] with at least one of the entity's genres, itself included if it has any."""
        return self._columns.having("genre", self.snapshot.entities[entity].genres)

    @cached_property
    def newest_released(self) -> tuple[Indices, Indices]:
        """Entities with a release, newest first (ties: lowest index first), and when that was."""
        released = [
            (entity.released_at_ms, index)
            for index, entity in enumerate(self.snapshot.entities)
            if entity.released_at_ms is not None
        ]
        at_ms = np.array([moment for moment, _ in released], np.int64)
        indices = np.array([index for _, index in released], np.int64)
        order = np.argsort(-at_ms, kind="stable")
        return indices[order], at_ms[order]

    def _evaluate_rows(self) -> Mask:
        bitmaps_RN = np.zeros((len(self.snapshot.rows), len(self.snapshot.entities)), bool)
        for index, row in enumerate(self.snapshot.rows):
            if row.predicate is not None and not row.retired:
                bitmaps_RN[index] = evaluate(row.predicate, self._columns)
        return bitmaps_RN

    def _extend_rows(self, older: "CompiledCatalog") -> Mask:
        snapshot = self.snapshot
        kept = min(len(older.snapshot.entities), len(snapshot.entities))
        changed = changed_entities(older.snapshot, snapshot)
        changed_columns = AttributeColumns([snapshot.entities[i] for i in changed])
        bitmaps_RN = np.zeros((len(snapshot.rows), len(snapshot.entities)), bool)
        for index, row in enumerate(snapshot.rows):
            if row.predicate is None or row.retired:
                continue
            if _same_candidates(older.snapshot.rows, index, row):
                bitmaps_RN[index, :kept] = older.bitmaps_RN[index, :kept]
                bitmaps_RN[index, changed] = evaluate(row.predicate, changed_columns)
            else:
                bitmaps_RN[index] = evaluate(row.predicate, self._columns)
        return bitmaps_RN


def _version(entity: CatalogEntity) -> tuple[str, int, int]:
    # A catalog topic that starts over counts from 0 again, so the number alone does not do.
    return entity.entity_id, entity.number, entity.changed_at_ms


def _same_candidates(older_rows: tuple[CatalogRow, ...], index: int, row: CatalogRow) -> bool:
    older = older_rows[index] if index < len(older_rows) else None
    return older is not None and not older.retired and older.predicate == row.predicate
