"""The catalog as of one number: what rules, engine and trainer read.

Indices are stable: entities and rows keep the index of their first appearance, the retired ones
too, so that a newer snapshot extends an older one and only changed indices need new embeddings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from pagecast.featurestore.content import ContentVector
from pagecast.v1 import catalog_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where and when an entity may be placed; None is open, an empty country is every country."""

    country: str = ""
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntity:
    """One version of an entity. `number` is the catalog number of that version.

    `content` holds at most one vector of a name, in the order of the names.

    `age_days` is how long after its release this version was made: a column of the catalog, so
    that an entity's embedding changes only with its version.
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
