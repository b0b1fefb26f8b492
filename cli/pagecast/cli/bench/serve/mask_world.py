"""A catalog of any size, and a request whose rules are as varied as they get.

Made in memory: asking what masks cost needs neither a database nor a model.
"""

import numpy as np

from pagecast.cli.bench.serve.world import GENRES, START_MS
from pagecast.featurestore.catalog.snapshot import (
    CatalogEntity,
    CatalogRow,
    CatalogSnapshot,
    Window,
)
from pagecast.rules.facts import KindCap, RequestFacts
from pagecast.rules.predicates import Indices
from pagecast.v1 import catalog_pb2

ROWS, ENTITIES_PER_ROW = 20, 10
"""The page of the issue."""

KINDS = 4
CANDIDATES = 10_000
"""Entities a caller names, if the catalog has more."""

DAY_MS = 86_400_000
PLAIN_ROWS = GENRES + 1
"""`top` and a row a genre; rows with sources follow them."""


def mask_snapshot(entities: int) -> CatalogSnapshot:
    """Every tenth entity is for one country, every fifth is not for children, one in a hundred is
    for phones only."""
    return CatalogSnapshot(
        number=1, entities=tuple(_entity(i) for i in range(entities)), rows=tuple(_rows())
    )


def plain_request() -> RequestFacts:
    """Just what the rules of every page look at."""
    return RequestFacts(
        at_ms=START_MS,
        device="tv",
        country="DE",
        maturity_limit=12,
        hidden=frozenset(f"e{i}" for i in range(0, 500, 10)),
        watched=frozenset(f"e{i}" for i in range(3, 3000, 10)),
        rows=ROWS,
        entities_per_row=ENTITIES_PER_ROW,
    )


def full_request(entities: int) -> RequestFacts:
    """With sources, arguments, caps and as many of a caller's entities as a request may name."""
    plain = plain_request()
    return RequestFacts(
        **vars(plain)
        | {
            "resume": tuple(f"e{i}" for i in range(20)),
            "because": tuple(f"e{i}" for i in range(1, 400, 20)),
            "kind_caps": (KindCap(kind=1, row_max=4), KindCap(kind=2, page_max=30)),
            "entities": tuple(f"e{i}" for i in range(1, entities, entities // CANDIDATES + 1)),
        }
    )


def ranking(entities: int) -> Indices:
    """Every entity has a count."""
    return np.random.default_rng(0).permutation(entities)


def _entity(i: int) -> CatalogEntity:
    country = "DE" if i % 20 else "FR"
    return CatalogEntity(
        entity_id=f"e{i}",
        kind=i % KINDS + 1,
        title="",
        number=1,
        changed_at_ms=START_MS,
        genres=(f"g{i % GENRES}",),
        maturity=18 if i % 5 == 0 else 0,
        released_at_ms=START_MS - i % 5000 * DAY_MS,
        availability=(Window(country=country, from_ms=START_MS - DAY_MS),) if i % 10 == 0 else (),
        attributes={},
        devices=("phone",) if i % 100 == 7 else (),
    )


def _rows() -> list[CatalogRow]:
    everything = catalog_pb2.Predicate(everything=True)
    rows = [CatalogRow(row_id="top", title="", number=1, predicate=everything)]
    for genre in range(GENRES):
        compare = catalog_pb2.Compare(
            attribute="genre", comparison=catalog_pb2.COMPARISON_IN, values=[f"g{genre}"]
        )
        predicate = catalog_pb2.Predicate(compare=compare)
        rows.append(CatalogRow(row_id=f"r{genre}", title="", number=1, predicate=predicate))
    sources = catalog_pb2.RowSource.values()[1:]
    return rows + [CatalogRow(row_id=f"s{s}", title="", number=1, source=s) for s in sources]
