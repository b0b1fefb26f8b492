"""The rows a caller allows, and what it asks of each.

Letters in names: R rows of the snapshot, W words of 64 entities.
"""

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.eligibility import known_indices
from pagecast.rules.facts import RequestFacts
from pagecast.rules.predicates import Indices


class AskedRows:
    """A request's `asked_rows` by index; those not in the catalog are ignored."""

    def __init__(self, snapshot: CatalogSnapshot, facts: RequestFacts) -> None:
        self._snapshot, self._facts = snapshot, facts
        index = snapshot.row_index
        asked = facts.asked_rows or ()
        self._asked = {index[row.row_id]: row for row in asked if row.row_id in index}

    def narrow(self, candidates_RW: Words) -> None:
        """Leaves in each row only what the caller allows in it."""
        if self._facts.asked_rows is None:
            return
        others = np.ones(len(candidates_RW), bool)
        others[list(self._asked)] = False
        candidates_RW[others] = 0
        for row, asked in self._asked.items():
            if asked.entities is not None:
                named = known_indices(self._snapshot, asked.entities)
                candidates_RW[row] &= bitsets.of(named, len(self._snapshot.entities))

    def entities_max_R(self) -> Indices:
        return self._over(
            np.full(len(self._snapshot.rows), self._facts.entities_per_row),
            {row: asked.entities_max for row, asked in self._asked.items()},
        )

    def entities_min_R(self, otherwise_R: Indices) -> Indices:
        return self._over(
            otherwise_R, {row: asked.entities_min for row, asked in self._asked.items()}
        )

    def pin_R(self, otherwise_R: Indices) -> Indices:
        return self._over(otherwise_R, {row: asked.pin for row, asked in self._asked.items()})

    def _over(self, otherwise_R: Indices, asked: dict[int, int | None]) -> Indices:
        values_R = otherwise_R.copy()
        for row, value in asked.items():
            if value is not None:
                values_R[row] = value
        return values_R
