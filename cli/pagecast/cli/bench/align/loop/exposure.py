"""What members get to see: how much of the catalog, how evenly, and how much beyond the hits.

Letters: N entities that were seen.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.cli.bench.align.loop.log import SeenPage
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.simulator.data import TrainingData

HEAD_SHARE = 0.8
"""The head is the most taken-up entities that together have this share of what people took up
before the first day. The rest of the catalog then is the long tail; what came later is neither."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Which entities were the head, and which the long tail, before the first day."""

    head: frozenset[str]
    tail: frozenset[str]


def ranks(people: TrainingData, catalog: CatalogSnapshot) -> Ranks:
    """By how often each entity was taken up; equals in the order of the catalog."""
    taken_up = Counter(people.entity_ids[entity] for entity in people.entity_N.tolist())
    names = [entity.entity_id for entity in catalog.entities]
    left = HEAD_SHARE * taken_up.total()
    head: set[str] = set()
    for name in sorted(names, key=lambda name: -taken_up[name]):
        if left <= 0:
            break
        head.add(name)
        left -= taken_up[name]
    return Ranks(head=frozenset(head), tail=frozenset(names) - head)


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """Over all impressions: each entity that was seen on a page counts as one."""

    impressions: int
    tail: float
    """Share of impressions whose entity is of the long tail."""
    launched: float
    """Share whose entity was launched since the first day."""
    entities: int
    """Distinct entities that were seen."""
    coverage: float
    """The same as a share of the catalog."""
    effective: float
    """How many entities, seen equally often, would have the entropy of those that were seen."""


def exposure(pages: Sequence[SeenPage], catalog: CatalogSnapshot, known: Ranks) -> Exposure:
    seen = Counter(
        entity.entity_id for page in pages for entity in page.outcome.entities if entity.seen
    )
    impressions = sum(seen.values())
    of_tail = sum(count for name, count in seen.items() if name in known.tail)
    of_head = sum(count for name, count in seen.items() if name in known.head)
    share_N = np.array(list(seen.values()), np.float64) / max(impressions, 1)
    return Exposure(
        impressions=impressions,
        tail=of_tail / max(impressions, 1),
        launched=(impressions - of_tail - of_head) / max(impressions, 1),
        entities=len(seen),
        coverage=len(seen) / len(catalog.entities),
        effective=float(np.exp(-(share_N * np.log(share_N)).sum())) if impressions else 0.0,
    )
