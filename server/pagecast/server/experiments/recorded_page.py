"""The rules of a served page, and its rows by a catalog's indices, from its record."""

from collections.abc import Sequence

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History
from pagecast.featurestore.prompt.served_prompt import profile_of_page, request_half_of_page
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.standing_row import StandingRow
from pagecast.server.page.facts import facts_of
from pagecast.server.page.request import PageClock, PageRequest
from pagecast.v1 import events_pb2


class NotReplayable(Exception):  # noqa: N818 - it is an answer, not a fault
    """The page cannot be decoded again; the message says what is missing."""


def rules_of_page(
    page: events_pb2.PageServed, history: History | None, catalog: CompiledCatalog
) -> PageRules:
    """The rules of a served page; `history` and the catalog are those its record names.

    Raises NotReplayable.
    """
    snapshot = catalog.snapshot
    request = PageRequest(
        clock=PageClock.start(None),
        page_id=page.page_id,
        user_id=page.user_id,
        half=request_half_of_page(page),
        context=page.context,
        rows=page.rules_input.rows,
        entities_per_row=page.rules_input.entities_per_row,
        rules=page.rules_input.asked,
        exact_entities=page.exact_entities,
        exact_entities_by_row=tuple(page.exact_entities_by_row),
        seed=page.seed,
        entity_by_entity=False,
    )
    facts = facts_of(request, history, profile_of_page(page), snapshot)
    try:
        standing = rows_by_index(page.rows_before, snapshot)
        index = snapshot.entity_index
        popular = np.array(
            [index[entity_id] for entity_id in page.rules_input.popular_entity_ids], np.int64
        )
        return compile_rules(catalog, facts, popular, standing=standing)
    except (KeyError, ValueError) as error:
        raise NotReplayable(f"the page is of another catalog database: {error}") from error


def rows_by_index(
    rows: Sequence[events_pb2.ServedRow], snapshot: CatalogSnapshot
) -> list[StandingRow]:
    """Served rows by the indices of a catalog. Raises KeyError for an id it does not know."""
    entities = snapshot.entity_index
    return [
        StandingRow(
            row=snapshot.row_index[row.row_id],
            argument=entities[argument] if (argument := row.argument_entity_id) else NO_ARGUMENT,
            entities=tuple(entities[entity_id] for entity_id in row.entity_ids),
        )
        for row in rows
    ]
