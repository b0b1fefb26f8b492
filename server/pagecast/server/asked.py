"""Steps 1 and 4 of the life of a page: what a caller's rules (`RequestRules`) ask of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.facts import AskedRow, KindCap
from pagecast.server.errors import FieldViolation, invalid_argument
from pagecast.v1 import rules_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCandidates:
    """How many of the rows and entities a caller named the catalog does not know.

    They are ignored: a caller's candidates may be some seconds ahead of the catalog or behind it,
    and one id must not cost the page.
    """

    rows: int = 0
    entities: int = 0


def check_lengths(rules: rules_pb2.RequestRules, entities_per_row: int) -> None:
    """Raises Refusal (INVALID_ARGUMENT) if a row would have to be longer than it may be."""
    named = {"rules.row_entities_min": (rules.row_entities_min, entities_per_row)}
    for i, row in enumerate(rules.rows.rows):
        most = row.entities_max or entities_per_row
        named[f"rules.rows.rows[{i}].entities_min"] = (row.entities_min, most)
    violations = [
        FieldViolation(path=path, description=f"a row holds at most {most}: ask for no more")
        for path, (least, most) in named.items()
        if least > most
    ]
    if violations:
        raise invalid_argument(*violations)


def asked_facts(rules: rules_pb2.RequestRules) -> dict[str, Any]:
    """The fields of `RequestFacts` that the caller's rules fill."""
    return {
        "asked_rows": tuple(map(_row, rules.rows.rows)) if rules.HasField("rows") else None,
        "entities": tuple(rules.entities.entity_ids) if rules.HasField("entities") else None,
        "kind_caps": tuple(map(_cap, rules.kind_caps)),
        "row_entities_min": rules.row_entities_min or None,
        "watched_again": rules.watched == rules_pb2.WATCHED_POLICY_ALLOW,
    }


def unknown_candidates(
    rules: rules_pb2.RequestRules, catalog: CatalogSnapshot
) -> UnknownCandidates:
    known = catalog.entity_index
    return UnknownCandidates(
        rows=sum(row.row_id not in catalog.row_index for row in rules.rows.rows),
        entities=len({entity_id for entity_id in _entity_ids(rules) if entity_id not in known}),
    )


def _entity_ids(rules: rules_pb2.RequestRules) -> Iterator[str]:
    yield from rules.entities.entity_ids
    for row in rules.rows.rows:
        yield from row.entities.entity_ids


def _row(row: rules_pb2.CandidateRow) -> AskedRow:
    return AskedRow(
        row_id=row.row_id,
        entities=tuple(row.entities.entity_ids) if row.HasField("entities") else None,
        entities_min=row.entities_min or None,
        entities_max=row.entities_max or None,
        pin=row.pin if row.HasField("pin") else None,
    )


def _cap(cap: rules_pb2.KindCap) -> KindCap:
    return KindCap(
        kind=cap.kind,
        row_max=cap.row_max if cap.HasField("row_max") else None,
        page_max=cap.page_max if cap.HasField("page_max") else None,
    )
