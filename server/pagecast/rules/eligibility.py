"""Which entities may stand on a page at all, whatever the row.

Letters in names: N entities of the snapshot.
"""

from collections.abc import Iterable

import numpy as np

from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.predicates import Indices, Mask


def offered_entities(catalog: CompiledCatalog, facts: RequestFacts) -> Mask:
    """Entities [N] offered to this person here and now, those already watched included.

    That is: not retired, available in the country at `at_ms`, made for the device, within the
    maturity limit, not hidden.
    """
    offered_N = catalog.availability.here_and_now(facts.country, facts.at_ms)
    offered_N &= catalog.availability.on(facts.device)
    offered_N &= catalog.unretired_N
    if facts.maturity_limit is not None:
        offered_N &= catalog.maturity_N <= facts.maturity_limit
    offered_N[known_indices(catalog.snapshot, facts.hidden)] = False
    return offered_N


def eligible_entities(catalog: CompiledCatalog, facts: RequestFacts, offered_N: Mask) -> Mask:
    """Entities [N] that may stand in any row but CONTINUE: the offered ones not yet watched."""
    eligible_N = offered_N.copy()
    eligible_N[known_indices(catalog.snapshot, facts.watched)] = False
    return eligible_N


def known_indices(snapshot: CatalogSnapshot, entity_ids: Iterable[str]) -> Indices:
    """Indices of the ids the catalog knows, each once, in the order given."""
    index = snapshot.entity_index
    known = dict.fromkeys(index[entity_id] for entity_id in entity_ids if entity_id in index)
    return np.fromiter(known, np.int64, len(known))
