"""Step 1 of the life of a page: whether a caller's rules (`RequestRules`) can be kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.server.rpc.errors import FieldViolation, invalid_argument
from pagecast.v1 import rules_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCandidates:
    """How many of the rows and entities that a caller named are not in the catalog.

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
