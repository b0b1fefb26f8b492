"""Which entities may stand on a page at all, in any row.

Letters in names: N entities of the snapshot, W words of 64 of them.
"""

from collections.abc import Iterable

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.predicates import Indices


def offered_entities(catalog: CompiledCatalog, facts: RequestFacts) -> Words:
    """Entities [W] offered to this person here and now, those already watched included.

    That is: not retired, available in the country at `at_ms`, made for the device, within the
    maturity limit, not hidden.
    """
    availability = catalog.availability
    offered_W = availability.here_and_now(facts.country, facts.at_ms)
    offered_W = offered_W & availability.on(facts.device)
    offered_W &= catalog.unretired_W
    if facts.maturity_limit is not None:
        offered_W &= catalog.suitable(facts.maturity_limit)
    bitsets.remove(offered_W, known_indices(catalog.snapshot, facts.hidden))
    return offered_W


def asked_for_entities(catalog: CompiledCatalog, facts: RequestFacts, offered_W: Words) -> Words:
    """Entities [W] that may stand in CONTINUE: the offered ones, or only the named ones of them if
    the caller names entities."""
    if facts.entities is None:
        return offered_W
    named = known_indices(catalog.snapshot, facts.entities)
    return offered_W & bitsets.of(named, len(catalog.snapshot.entities))


def eligible_entities(catalog: CompiledCatalog, facts: RequestFacts, asked_W: Words) -> Words:
    """Entities [W] that may stand in rows other than CONTINUE: those of `asked_W` not yet watched.

    Watched ones too if the caller allows them again.
    """
    eligible_W = asked_W.copy()
    if not facts.watched_again:
        bitsets.remove(eligible_W, known_indices(catalog.snapshot, facts.watched))
    return eligible_W


def known_indices(snapshot: CatalogSnapshot, entity_ids: Iterable[str]) -> Indices:
    """Indices of the ids that are in the catalog, each once, in the order given."""
    known = dict.fromkeys(map(snapshot.entity_index.get, entity_ids))
    known.pop(None, None)
    return np.fromiter(known, np.int64, len(known))
