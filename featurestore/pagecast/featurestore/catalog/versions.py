"""The stored versions of the catalog's entities and rows: reading and changing them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from pagecast.featurestore.catalog.items import ItemChange, Kind, entity_of, row_of
from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogRow, CatalogSnapshot
from pagecast.featurestore.tables import CatalogVersionRow


@dataclass(kw_only=True)
class CatalogBatch:
    """Changes applied in memory, on top of the versions in force that they touch."""

    number: int
    in_force: dict[tuple[Kind, str], dict[str, object]] = field(default_factory=dict)
    next_index: dict[Kind, int] = field(default_factory=dict)
    created: list[dict[str, object]] = field(default_factory=list)
    closed: list[dict[str, object]] = field(default_factory=list)

    def load(self, connection: sa.Connection, changes: Iterable[ItemChange]) -> None:
        row = CatalogVersionRow
        kinds: dict[Kind, set[str]] = {"entity": set(), "row": set()}
        for change in changes:
            kinds[change.kind].add(change.item_id)
        for kind, item_ids in kinds.items():
            statement = sa.select(row).where(
                row.kind == kind, row.item_id.in_(item_ids), row.valid_to.is_(None)
            )
            for version in connection.execute(statement).mappings():
                self.in_force[kind, version["item_id"]] = dict(version)
            newest = sa.select(sa.func.max(row.item_index)).where(row.kind == kind)
            index = connection.execute(newest).scalar_one()
            self.next_index[kind] = 0 if index is None else index + 1

    def apply(self, change: ItemChange) -> None:
        key = (change.kind, change.item_id)
        before = self.in_force.get(key)
        retired = change.payload is None
        payload = before["payload"] if retired and before else change.payload
        if payload is None:
            return
        if before is None:
            index: object = self.next_index[change.kind]
            self.next_index[change.kind] += 1
        elif (before["payload"], before["retired"]) == (payload, retired):
            return
        else:
            index = before["item_index"]
        self.number += 1
        if before is not None:
            # One made in this batch is inserted closed; one in the table is updated.
            before["valid_to"] = self.number
            self.closed.append({"closed": before["valid_from"], "at": self.number})
        version = {
            "valid_from": self.number,
            "valid_to": None,
            "kind": change.kind,
            "item_id": change.item_id,
            "item_index": index,
            "changed_at_ms": change.changed_at_ms,
            "retired": retired,
            "payload": payload,
        }
        self.in_force[key] = version
        self.created.append(version)

    def store(self, connection: sa.Connection) -> None:
        row = CatalogVersionRow
        if self.closed:
            connection.execute(
                sa.update(row)
                .where(row.valid_from == sa.bindparam("closed"))
                .values(valid_to=sa.bindparam("at")),
                self.closed,
            )
        if self.created:
            connection.execute(sa.insert(row), self.created)


def newest_number(connection: sa.Connection) -> int:
    newest = sa.select(sa.func.max(CatalogVersionRow.valid_from))
    return connection.execute(newest).scalar_one() or 0


def extended(connection: sa.Connection, base: CatalogSnapshot, number: int) -> CatalogSnapshot:
    """The snapshot of `number`: versions up to a number are final, whatever is written since."""
    row = CatalogVersionRow
    statement = (
        sa.select(row)
        .where(
            row.valid_from > base.number,
            row.valid_from <= number,
            sa.or_(row.valid_to.is_(None), row.valid_to > number),
        )
        .order_by(row.kind, row.item_index)
    )
    entities: list[CatalogEntity] = list(base.entities)
    rows: list[CatalogRow] = list(base.rows)
    for version in connection.execute(statement):
        index, valid_from = version.item_index, version.valid_from
        if version.kind == "entity":
            entities[index : index + 1] = [
                entity_of(
                    version.payload,
                    number=valid_from,
                    changed_at_ms=version.changed_at_ms,
                    retired=version.retired,
                )
            ]
        else:
            rows[index : index + 1] = [
                row_of(version.payload, number=valid_from, retired=version.retired)
            ]
    return CatalogSnapshot(number=number, entities=tuple(entities), rows=tuple(rows))
