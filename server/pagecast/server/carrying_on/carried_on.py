"""Step 8 of the life of a page: the rows already on a page that is carried on, and those so far.

A continuation names rows and entities by their indices in the catalog, which never change.
"""

from collections.abc import Sequence
from dataclasses import replace

import grpc

from pagecast.engine.page_events import EntityChosen, RowBegun
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.overlay import Actions, digest
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.standing_row import StandingRow
from pagecast.server.carrying_on.continuation import IdsDigest
from pagecast.server.page.request import PageRequest
from pagecast.server.page.users import version_message
from pagecast.server.rpc.errors import Refusal
from pagecast.v1 import continuation_pb2, events_pb2

RESUME_SECONDS_MAX = 300
"""Within this time, and with an unchanged history, a page is carried on as of its own moment, with
exactly the rows it would have had. Later the current time counts, so that nothing is shown that may
no longer be."""


def standing_rows(
    page: continuation_pb2.Continuation, snapshot: CatalogSnapshot
) -> tuple[StandingRow, ...]:
    """The rows of a continuation in a snapshot that is at least as new.

    Raises Refusal (FAILED_PRECONDITION) if they are other rows there: the catalog was replaced.
    """
    rows = tuple(
        StandingRow(row=row.row, argument=int(row.argument) - 1, entities=tuple(row.entities))
        for row in page.rows
    )
    digest = IdsDigest()
    try:
        for row in rows:
            digest.add(*_ids(row, snapshot))
    except IndexError as error:
        raise _catalog_replaced() from error
    if digest.digest() != page.ids_digest:
        raise _catalog_replaced()
    return rows


def served_rows(
    rows: Sequence[StandingRow], snapshot: CatalogSnapshot
) -> list[events_pb2.ServedRow]:
    """The rows as `PageServed.rows_before` holds them."""
    served = []
    for row in rows:
        row_id, argument_id, *entity_ids = _ids(row, snapshot)
        served.append(
            events_pb2.ServedRow(
                row_id=row_id, argument_entity_id=argument_id, entity_ids=entity_ids
            )
        )
    return served


def as_of_its_moment(
    page: PageRequest, history: History | None, actions: Actions = ()
) -> PageRequest:
    """The page as of its own moment if nothing has happened since, otherwise as it is."""
    before = page.carried_on
    if before is None:
        return page
    if before.history_version != (version_message(history) or events_pb2.HistoryVersion()):
        return page
    if before.actions_digest != digest(actions):
        return page
    if abs(page.half.at_ms - before.requested_at_ms) > RESUME_SECONDS_MAX * 1000:
        return page
    return replace(page, half=replace(page.half, at_ms=before.requested_at_ms))


class PageSoFar:
    """What the continuation holds, growing with each row."""

    def __init__(
        self,
        made_with: continuation_pb2.Continuation,
        standing: Sequence[StandingRow],
        snapshot: CatalogSnapshot,
    ) -> None:
        self.page = made_with
        self._snapshot = snapshot
        self._digest = IdsDigest()
        for row in standing:
            self._add(row)

    def add(self, row: RowBegun, entities: Sequence[EntityChosen]) -> None:
        """A row that is complete."""
        placed = tuple(chosen.entity for chosen in entities)
        self._add(StandingRow(row=row.row, argument=row.argument, entities=placed))

    def _add(self, row: StandingRow) -> None:
        self.page.rows.add(row=row.row, argument=row.argument + 1, entities=row.entities)
        self._digest.add(*_ids(row, self._snapshot))
        self.page.ids_digest = self._digest.digest()


def _ids(row: StandingRow, snapshot: CatalogSnapshot) -> list[str]:
    """Of the row, its argument (empty for none) and its entities. Raises IndexError."""
    entities = snapshot.entities
    argument = "" if row.argument == NO_ARGUMENT else entities[row.argument].entity_id
    return [
        snapshot.rows[row.row].row_id,
        argument,
        *(entities[entity].entity_id for entity in row.entities),
    ]


def _catalog_replaced() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.FAILED_PRECONDITION,
        reason="PAGE_CATALOG_REPLACED",
        message="the page was made with another catalog database: ask for a new page",
    )
