"""Caps: how many entities of a kind may stand in a row and on a page.

Kinds share no entity, so capped kinds and the rest are groups that split any set. As many entities
of a set can be placed as its groups have members or room for, whatever is chosen first: so a row
that begins gets the length that was foreseen. (Caps on what overlaps, such as genres, would make
that a matching problem.)

Letters in names: G groups, W words of 64 entities, X sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX, ROWS_MAX, KindCap
from pagecast.rules.predicates import Indices

UNCAPPED = ROWS_MAX * ENTITIES_PER_ROW_MAX
"""The room of a group without a cap: the longest page."""


@dataclass(frozen=True, kw_only=True)
class KindGroups:
    """G groups that share no entity and together hold all; there is one if nothing is capped. Never
    changes."""

    words_GW: Words
    row_max_G: Indices
    page_max_G: Indices

    def of(self, entity: int) -> int:
        """The group of an entity."""
        return int(bitsets.holds(self.words_GW, entity).argmax()) if len(self.words_GW) > 1 else 0

    def sizes(self, words_XW: Words) -> Indices:
        """How many entities of each group each set holds: [X, G]."""
        if len(self.words_GW) == 1:
            return bitsets.sizes(words_XW)[:, None]
        return np.stack([bitsets.sizes(words_XW & group_W) for group_W in self.words_GW], axis=1)


def group_kinds(catalog: CompiledCatalog, caps: Sequence[KindCap]) -> KindGroups:
    """The capped kinds, in ascending order, then all the rest."""
    caps = sorted(caps, key=lambda cap: cap.kind)
    capped = [catalog.of_kind(cap.kind) for cap in caps]
    every_W = bitsets.pack(np.ones(len(catalog.snapshot.entities), bool))
    rest_W = every_W & ~np.bitwise_or.reduce(capped) if capped else every_W
    return KindGroups(
        words_GW=np.stack([*capped, rest_W]),
        row_max_G=_bounds([cap.row_max for cap in caps]),
        page_max_G=_bounds([cap.page_max for cap in caps]),
    )


def _bounds(bounds: Sequence[int | None]) -> Indices:
    return np.array([*(UNCAPPED if b is None else b for b in bounds), UNCAPPED], np.int64)
