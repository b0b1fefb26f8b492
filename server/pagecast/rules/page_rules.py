"""Step 4 of the life of a page: the rules of one request, compiled into arrays.

Letters in names: N entities and R rows of the snapshot, A arguments of BECAUSE rows, S candidate
sets: those of the R rows, then those of the A arguments.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pagecast.featurestore.snapshot import CatalogRow
from pagecast.rules import sources
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.eligibility import eligible_entities, known_indices, offered_entities
from pagecast.rules.facts import RequestFacts, RulesConfig
from pagecast.rules.predicates import Indices, Mask
from pagecast.rules.standing_row import StandingRow
from pagecast.v1 import catalog_pb2

UNPINNED = -1
"""The pin of a row that may stand anywhere."""

DEFAULT_CONFIG = RulesConfig()


@dataclass(frozen=True, kw_only=True)
class PageRules:
    """What may stand where on one page. Never changes; a `PageState` walks it.

    `candidates_SN`: set r holds the candidates of row r, set R + a those of a BECAUSE row whose
    argument is entity `arguments_A[a]`; the own set of a BECAUSE row is empty.
    `entities_min_R`: a row begins only if it can hold this many.
    `pin_R`: the row's position on the page, or UNPINNED.
    `first_entities`: per row, what is placed first, in this order, where it is a candidate.
    `source_order`: per row, its candidates in the order of its source, best first; empty for rows
    without one. The grammar does not ask for this order; a page without a model follows it.
    `standing`: rows that stand already, of the `rows_max`; the page is carried on behind them.
    """

    catalog: CompiledCatalog
    rows_max: int
    entities_per_row: int
    candidates_SN: Mask
    entities_min_R: Indices
    pin_R: Indices
    because_R: Mask
    arguments_A: Indices
    first_entities: tuple[tuple[int, ...], ...]
    source_order: tuple[tuple[int, ...], ...]
    standing: tuple[StandingRow, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Lower-case hexadecimal digest of all of the above, the catalog by its number.

        Rules of equal digest allow the same pages, and decode to the same page.
        """
        header = {
            "catalog_number": self.catalog.snapshot.number,
            "rows_max": self.rows_max,
            "entities_per_row": self.entities_per_row,
            "candidates_shape": self.candidates_SN.shape,
            "entities_min": self.entities_min_R.tolist(),
            "pins": self.pin_R.tolist(),
            "because": self.because_R.tolist(),
            "arguments": self.arguments_A.tolist(),
            "first_entities": self.first_entities,
            "source_order": self.source_order,
        }
        if self.standing:
            header["standing"] = [(row.row, row.argument, row.entities) for row in self.standing]
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        digest.update(np.packbits(self.candidates_SN).tobytes())
        return digest.hexdigest()


def compile_rules(
    catalog: CompiledCatalog,
    facts: RequestFacts,
    popular: Sequence[int] | Indices,
    config: RulesConfig = DEFAULT_CONFIG,
    standing: Sequence[StandingRow] = (),
) -> PageRules:
    """Compiles the rules of a request (docs/papers.md 1.8: rules vary per request and position).

    `popular` holds the indices of entities with counts, best first. Raises ValueError if one of
    them is not of the snapshot.
    """
    snapshot = catalog.snapshot
    rows = snapshot.rows
    offered_N = offered_entities(catalog, facts)
    eligible_N = eligible_entities(catalog, facts, offered_N)
    source_order = _source_orders(catalog, facts, popular, config, offered_N, eligible_N)
    because_R = _rows_of(rows, catalog_pb2.ROW_SOURCE_BECAUSE)
    about = known_indices(snapshot, facts.because if because_R.any() else ())
    arguments_A = sources.newest(about, offered_N, config.because_arguments_max)

    candidates_SN = np.zeros((len(rows) + len(arguments_A), len(snapshot.entities)), bool)
    np.logical_and(catalog.bitmaps_RN, eligible_N, out=candidates_SN[: len(rows)])
    for index, order in enumerate(source_order):
        candidates_SN[index, list(order)] = True
    for index, argument in enumerate(arguments_A.tolist(), start=len(rows)):
        candidates_SN[index] = sources.like(catalog, argument, eligible_N)
    return PageRules(
        catalog=catalog,
        rows_max=facts.rows,
        entities_per_row=facts.entities_per_row,
        candidates_SN=candidates_SN,
        entities_min_R=_entities_min(rows, facts, config),
        pin_R=np.array([UNPINNED if row.pin is None else row.pin for row in rows], np.int64),
        because_R=because_R,
        arguments_A=arguments_A,
        first_entities=tuple(
            tuple(known_indices(snapshot, row.first_entity_ids).tolist()) for row in rows
        ),
        source_order=source_order,
        standing=tuple(standing),
    )


def _source_orders(
    catalog: CompiledCatalog,
    facts: RequestFacts,
    popular: Sequence[int] | Indices,
    config: RulesConfig,
    offered_N: Mask,
    eligible_N: Mask,
) -> tuple[tuple[int, ...], ...]:
    ranking = np.asarray(popular, np.int64)
    if ranking.size and not 0 <= ranking.min() <= ranking.max() < len(eligible_N):
        raise ValueError(f"popular must hold entity indices from 0 to {len(eligible_N) - 1}")
    resume = known_indices(catalog.snapshot, facts.resume)
    orders = {
        catalog_pb2.ROW_SOURCE_POPULAR: sources.popular(
            ranking, eligible_N, config.popular_entities_max
        ),
        catalog_pb2.ROW_SOURCE_RECENT: sources.recent(
            catalog, facts.at_ms, eligible_N, config.recent_entities_max
        ),
        catalog_pb2.ROW_SOURCE_CONTINUE: sources.newest(
            resume, offered_N, config.continue_entities_max
        ),
    }
    return tuple(
        tuple(orders[row.source].tolist()) if row.source in orders and not row.retired else ()
        for row in catalog.snapshot.rows
    )


def _entities_min(rows: Sequence[CatalogRow], facts: RequestFacts, config: RulesConfig) -> Indices:
    entities_min_R = np.where(
        _rows_of(rows, catalog_pb2.ROW_SOURCE_CONTINUE),
        config.continue_entities_min,
        config.row_entities_min,
    )
    # A request for rows shorter than the minimum gets them: it does not get an empty page.
    return np.minimum(entities_min_R, facts.entities_per_row)


def _rows_of(rows: Sequence[CatalogRow], source: "catalog_pb2.RowSource.ValueType") -> Mask:
    return np.fromiter((row.source == source and not row.retired for row in rows), np.bool_)
