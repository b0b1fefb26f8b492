"""Step 4 of the life of a page: a caller's rules (`RequestRules`) as facts of its request."""

from typing import Any

from pagecast.rules.facts import AskedRow, KindCap
from pagecast.v1 import rules_pb2


def asked_facts(rules: rules_pb2.RequestRules) -> dict[str, Any]:
    """The fields of `RequestFacts` that the caller's rules fill."""
    return {
        "asked_rows": tuple(map(_row, rules.rows.rows)) if rules.HasField("rows") else None,
        "entities": tuple(rules.entities.entity_ids) if rules.HasField("entities") else None,
        "kind_caps": tuple(map(_cap, rules.kind_caps)),
        "row_entities_min": rules.row_entities_min or None,
        "watched_again": rules.watched == rules_pb2.WATCHED_POLICY_ALLOW,
    }


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
