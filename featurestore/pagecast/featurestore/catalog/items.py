"""Catalog changes and the entities and rows they make."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pagecast.featurestore.catalog.content import ContentVector, content_vector
from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogRow, Window
from pagecast.v1 import catalog_pb2

Kind = Literal["entity", "row"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """What a catalog change does to one entity or row; no payload means it is retired."""

    kind: Kind
    item_id: str
    changed_at_ms: int
    payload: bytes | None


def item_change(change: catalog_pb2.CatalogChange) -> ItemChange:
    """Reads a validated change. Raises ValueError if it changes nothing."""
    kind: Kind
    payload: bytes | None
    match change.WhichOneof("change"):
        case "upsert_entity":
            entity = change.upsert_entity
            kind, item_id = "entity", entity.entity_id
            payload = entity.SerializeToString(deterministic=True)
        case "retire_entity_id":
            kind, item_id, payload = "entity", change.retire_entity_id, None
        case "upsert_row":
            row = change.upsert_row
            kind, item_id = "row", row.row_id
            payload = row.SerializeToString(deterministic=True)
        case "retire_row_id":
            kind, item_id, payload = "row", change.retire_row_id, None
        case _:
            raise ValueError("change: one of upsert and retire must be set")
    return ItemChange(
        kind=kind,
        item_id=item_id,
        changed_at_ms=change.occurred_at.ToMilliseconds(),
        payload=payload,
    )


def entity_of(payload: bytes, *, number: int, changed_at_ms: int, retired: bool) -> CatalogEntity:
    """One version of an entity from its stored `Entity`."""
    entity = catalog_pb2.Entity.FromString(payload)
    return CatalogEntity(
        entity_id=entity.entity_id,
        kind=int(entity.kind),
        title=entity.title,
        number=number,
        changed_at_ms=changed_at_ms,
        genres=tuple(entity.genres),
        languages=tuple(entity.languages),
        countries=tuple(entity.countries),
        maturity=entity.maturity,
        released_at_ms=(
            entity.released_at.ToMilliseconds() if entity.HasField("released_at") else None
        ),
        availability=tuple(_window(window) for window in entity.availability),
        attributes=dict(entity.attributes),
        devices=tuple(entity.devices),
        people=tuple(sys.intern(name) for name in entity.people),
        content=_content(entity.embeddings),
        retired=retired,
    )


def row_of(payload: bytes, *, number: int, retired: bool) -> CatalogRow:
    """One version of a row from its stored `Row`."""
    row = catalog_pb2.Row.FromString(payload)
    return CatalogRow(
        row_id=row.row_id,
        title=row.title,
        number=number,
        predicate=row.predicate if row.HasField("predicate") else None,
        source=row.source,
        pin=row.pin if row.HasField("pin") else None,
        first_entity_ids=tuple(row.first_entity_ids),
        retired=retired,
    )


def _content(embeddings: Iterable[catalog_pb2.ContentEmbedding]) -> tuple[ContentVector, ...]:
    """If a name comes twice, the last one counts."""
    vectors = {e.name: content_vector(e.name, e.values) for e in embeddings}
    return tuple(vector for _, vector in sorted(vectors.items()) if vector is not None)


def _window(window: catalog_pb2.AvailabilityWindow) -> Window:
    from_ms = getattr(window, "from").ToMilliseconds() if window.HasField("from") else None
    until_ms = window.until.ToMilliseconds() if window.HasField("until") else None
    return Window(country=window.country, from_ms=from_ms, until_ms=until_ms)
