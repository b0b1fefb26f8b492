"""The catalog as of one number: what rules, engine and trainer read.

Indices are stable: entities and rows, retired ones included, keep the index of their first
appearance, so that a newer snapshot extends an older one and only changed indices need new
embeddings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.content import ContentVector
from pagecast.v1 import catalog_pb2

NEXT_ROW = "top"
"""The row the next-entity score is read after; without it, the fallback row's token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where and when an entity may be placed; None is open, an empty country is every country."""

    country: str = ""
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntity:
    """One version of an entity. `number` is the catalog number of that version.

    `content` holds at most one vector per name, in the order of the names.

    `age_days` is how long after its release this version was made, not how old it is now: so an
    entity's embedding changes only with its version.
    """

    entity_id: str
    kind: int
    title: str
    number: int
    changed_at_ms: int
    genres: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    maturity: int = 0
    released_at_ms: int | None = None
    availability: tuple[Window, ...] = ()
    attributes: Mapping[str, str]
    devices: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    content: tuple[ContentVector, ...] = ()
    retired: bool = False

    @property
    def age_days(self) -> float:
        if self.released_at_ms is None:
            return 0.0
        return max(0.0, (self.changed_at_ms - self.released_at_ms) / 86_400_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """One version of a row: either `predicate` is set, or `source` is not UNSPECIFIED."""

    row_id: str
    title: str
    number: int
    predicate: catalog_pb2.Predicate | None = None
    source: "catalog_pb2.RowSource.ValueType" = catalog_pb2.ROW_SOURCE_UNSPECIFIED
    pin: int | None = None
    first_entity_ids: tuple[str, ...] = ()
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Releases:
    """M entities that are not retired and have a release, the latest first, then by id.

    `before_ms_M` is their negated times: ascending, for a binary search.
    """

    entity_ids: tuple[str, ...]
    before_ms_M: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CatalogSnapshot:
    """All entities and rows as of `number`, in index order."""

    number: int
    entities: tuple[CatalogEntity, ...]
    rows: tuple[CatalogRow, ...]

    @cached_property
    def entity_index(self) -> dict[str, int]:
        return {e.entity_id: i for i, e in enumerate(self.entities)}

    @cached_property
    def row_index(self) -> dict[str, int]:
        return {r.row_id: i for i, r in enumerate(self.rows)}

    @cached_property
    def releases(self) -> Releases:
        released = sorted(
            (-e.released_at_ms, e.entity_id)
            for e in self.entities
            if e.released_at_ms is not None and not e.retired
        )
        return Releases(
            entity_ids=tuple(entity_id for _, entity_id in released),
            before_ms_M=np.array([before for before, _ in released], np.int64),
        )

    @cached_property
    def live_windows(self) -> tuple[tuple[str, Window], ...]:
        """Availability windows of live events, the last to begin first, then by id."""
        windows = [
            (e.entity_id, window)
            for e in self.entities
            if e.kind == catalog_pb2.ENTITY_KIND_LIVE_EVENT and not e.retired
            for window in e.availability
        ]
        return tuple(sorted(windows, key=lambda each: (_begins_before(each[1]), each[0])))


def _begins_before(window: Window) -> float:
    return float("inf") if window.from_ms is None else -window.from_ms
