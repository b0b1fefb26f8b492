"""Step 4 of the life of a page: the rules of one request, compiled into bitsets.

Letters in names: N entities and R rows of the snapshot, W words of 64 entities, A arguments of
BECAUSE rows.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogRow
from pagecast.rules import bitsets, sources
from pagecast.rules.asked_rows import AskedRows
from pagecast.rules.bitsets import Words
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.eligibility import (
    asked_for_entities,
    eligible_entities,
    known_indices,
    offered_entities,
)
from pagecast.rules.facts import RequestFacts, RulesConfig
from pagecast.rules.kind_groups import KindGroups, group_kinds
from pagecast.rules.predicates import Indices, Mask
from pagecast.rules.standing_row import StandingRow
from pagecast.v1 import catalog_pb2

UNPINNED = -1
"""The pin of a row that may stand anywhere."""

DEFAULT_CONFIG = RulesConfig()


@dataclass(frozen=True, kw_only=True)
class PageRules:
    """What may stand where on one page. Never changes; a `PageState` walks it.

    `candidates_RW`: what may stand in each row. A BECAUSE row whose argument is entity
    `arguments_A[a]` holds what is in its own set and in `like_AW[a]`.
    `entities_min_R`, `entities_max_R`: a row begins only if it can hold the minimum, and never
    holds more than the maximum.
    `pin_R`: the row's position on the page, or UNPINNED.
    `groups`: what the caps bound.
    `first_entities`: per row, what is placed first, in this order, if it is a candidate.
    `source_order`: per row, its candidates in the order of its source, best first; empty for rows
    without one. The grammar does not ask for this order; a page without a model follows it.
    `standing`: rows that already stand, out of `rows_max`; the page is carried on after them.
    """

    catalog: CompiledCatalog
    rows_max: int
    candidates_RW: Words
    like_AW: Words
    entities_min_R: Indices
    entities_max_R: Indices
    pin_R: Indices
    because_R: Mask
    arguments_A: Indices
    groups: KindGroups
    first_entities: tuple[tuple[int, ...], ...]
    source_order: tuple[tuple[int, ...], ...]
    standing: tuple[StandingRow, ...] = ()

    @property
    def popular(self) -> tuple[int, ...]:
        """Candidates of POPULAR rows, best first: as `popular`, they compile to the same rules."""
        rows = zip(self.catalog.snapshot.rows, self.source_order, strict=True)
        orders = (o for row, o in rows if row.source == catalog_pb2.ROW_SOURCE_POPULAR and o)
        return next(orders, ())

    @cached_property
    def sha256(self) -> str:
        """Lower-case hexadecimal digest of all of the above, the catalog by its number.

        Rules of equal digest allow the same pages, and decode to the same page.
        """
        header = {
            "catalog_number": self.catalog.snapshot.number,
            "entities": len(self.catalog.snapshot.entities),
            "rows_max": self.rows_max,
            "entities_min": self.entities_min_R.tolist(),
            "entities_max": self.entities_max_R.tolist(),
            "pins": self.pin_R.tolist(),
            "because": self.because_R.tolist(),
            "arguments": self.arguments_A.tolist(),
            "row_caps": self.groups.row_max_G.tolist(),
            "page_caps": self.groups.page_max_G.tolist(),
            "first_entities": self.first_entities,
            "source_order": self.source_order,
        }
        if self.standing:
            header["standing"] = [(row.row, row.argument, row.entities) for row in self.standing]
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for words in (self.candidates_RW, self.like_AW, self.groups.words_GW):
            digest.update(words.tobytes())
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
    asked = AskedRows(snapshot, facts)
    offered_W = offered_entities(catalog, facts)
    asked_W = asked_for_entities(catalog, facts, offered_W)
    eligible_W = eligible_entities(catalog, facts, asked_W)
    because_R = _rows_of(rows, catalog_pb2.ROW_SOURCE_BECAUSE)
    about = known_indices(snapshot, facts.because if because_R.any() else ())
    arguments_A = sources.newest(about, offered_W, config.because_arguments_max)

    candidates_RW = catalog.words_RW & eligible_W
    candidates_RW[because_R] = eligible_W
    source_order = _source_orders(catalog, facts, popular, config, asked_W, eligible_W)
    for row in np.flatnonzero(_rows_of(rows, *_ORDERED)).tolist():
        bitsets.add(candidates_RW[row], np.array(source_order[row], np.int64))
    asked.narrow(candidates_RW)
    like_AW = np.empty((len(arguments_A), candidates_RW.shape[1]), candidates_RW.dtype)
    for at, argument in enumerate(arguments_A.tolist()):
        like_AW[at] = sources.like(catalog, argument, eligible_W)
    entities_max_R = asked.entities_max_R()
    return PageRules(
        catalog=catalog,
        rows_max=facts.rows,
        candidates_RW=candidates_RW,
        like_AW=like_AW,
        # A caller that asks for rows shorter than the minimum gets them, not an empty page.
        entities_min_R=np.minimum(
            asked.entities_min_R(_minima(rows, facts, config)), entities_max_R
        ),
        entities_max_R=entities_max_R,
        pin_R=asked.pin_R(
            np.array([UNPINNED if row.pin is None else row.pin for row in rows], np.int64)
        ),
        because_R=because_R,
        arguments_A=arguments_A,
        groups=group_kinds(catalog, facts.kind_caps),
        first_entities=tuple(
            tuple(known_indices(snapshot, row.first_entity_ids).tolist()) for row in rows
        ),
        source_order=source_order,
        standing=tuple(standing),
    )


_ORDERED = (
    catalog_pb2.ROW_SOURCE_POPULAR,
    catalog_pb2.ROW_SOURCE_RECENT,
    catalog_pb2.ROW_SOURCE_CONTINUE,
)


def _source_orders(
    catalog: CompiledCatalog,
    facts: RequestFacts,
    popular: Sequence[int] | Indices,
    config: RulesConfig,
    asked_W: Words,
    eligible_W: Words,
) -> tuple[tuple[int, ...], ...]:
    ranking, entities = np.asarray(popular, np.int64), len(catalog.snapshot.entities)
    if ranking.size and not 0 <= ranking.min() <= ranking.max() < entities:
        raise ValueError(f"popular must hold entity indices from 0 to {entities - 1}")
    resume = known_indices(catalog.snapshot, facts.resume)
    orders = {
        catalog_pb2.ROW_SOURCE_POPULAR: sources.popular(
            ranking, eligible_W, config.popular_entities_max
        ),
        catalog_pb2.ROW_SOURCE_RECENT: sources.recent(
            catalog, facts.at_ms, eligible_W, config.recent_entities_max
        ),
        catalog_pb2.ROW_SOURCE_CONTINUE: sources.newest(
            resume, asked_W, config.continue_entities_max
        ),
    }
    return tuple(
        tuple(orders[row.source].tolist()) if row.source in orders and not row.retired else ()
        for row in catalog.snapshot.rows
    )


def _minima(rows: Sequence[CatalogRow], facts: RequestFacts, config: RulesConfig) -> Indices:
    if facts.row_entities_min is not None:
        return np.full(len(rows), facts.row_entities_min)
    unfinished_R = _rows_of(rows, catalog_pb2.ROW_SOURCE_CONTINUE)
    return np.where(unfinished_R, config.continue_entities_min, config.row_entities_min)


def _rows_of(rows: Sequence[CatalogRow], *of_sources: "catalog_pb2.RowSource.ValueType") -> Mask:
    return np.fromiter((row.source in of_sources and not row.retired for row in rows), np.bool_)
