"""What was chosen for a page, as `PageServed` reports it, and as a member sees it."""

from collections.abc import Iterable

from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.simulator.page import ShownRow
from pagecast.v1 import events_pb2


def served_rows(
    events: Iterable[PageEvent], snapshot: CatalogSnapshot
) -> list[events_pb2.ServedRow]:
    """Rows with the log-probability of each token."""
    rows: list[events_pb2.ServedRow] = []
    for event in events:
        if isinstance(event, RowBegun):
            known = event.argument != NO_ARGUMENT
            argument_id = snapshot.entities[event.argument].entity_id if known else ""
            rows.append(
                events_pb2.ServedRow(
                    row_id=snapshot.rows[event.row].row_id,
                    argument_entity_id=argument_id,
                    log_probability=event.log_probability,
                )
            )
        elif isinstance(event, EntityChosen):
            rows[-1].entity_ids.append(snapshot.entities[event.entity].entity_id)
            rows[-1].entity_log_probabilities.append(event.log_probability)
    return rows


def shown_row(row: events_pb2.ServedRow) -> ShownRow:
    return ShownRow(
        row_id=row.row_id,
        argument_entity_id=row.argument_entity_id,
        entity_ids=tuple(row.entity_ids),
    )
