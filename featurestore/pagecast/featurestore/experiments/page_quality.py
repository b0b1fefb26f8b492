"""What a page is like, whatever comes of it: the guardrails of an experiment.

Letters: N entities of the catalog, G genres, E entities of a page.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.experiments.assignment import DAY_MS
from pagecast.v1 import events_pb2

FIRST_ROW_MS = "first_row_ms"

QUALITIES = ("diversity", "new_entity_share", FIRST_ROW_MS)
"""Guardrails with one value per page."""

LESS_IS_BETTER = frozenset({FIRST_ROW_MS})
"""Those of QUALITIES that harm by rising; the others harm by falling."""

NEW_DAYS = 30
"""How many days after its release an entity is new: a month's launches."""

Indices = npt.NDArray[np.int64]


class PageQuality:
    """Measures pages in the light of one catalog."""

    def __init__(self, snapshot: CatalogSnapshot) -> None:
        self._index = snapshot.entity_index
        self._released_ms_N = np.array(
            [-np.inf if e.released_at_ms is None else e.released_at_ms for e in snapshot.entities]
        )
        self._genre_NG = _unit_genres(snapshot)
        self.offered = sum(not entity.retired for entity in snapshot.entities)
        """Entities that a page could hold."""

    def entities(self, entity_ids: Sequence[str]) -> Indices:
        """The indices of those the catalog knows."""
        known = [self._index[e] for e in entity_ids if e in self._index]
        return np.array(known, np.int64)

    def of(self, beginning: events_pb2.PageServed, entity_E: Indices) -> tuple[float, ...]:
        """QUALITIES of a page of these entities, by the record of its beginning; NaN where nothing
        is known of one."""
        at_ms = beginning.requested_at.ToMilliseconds()
        return (*self._of_entities(entity_E, at_ms), _first_row_ms(beginning))

    def _of_entities(self, entity_E: Indices, at_ms: int) -> tuple[float, float]:
        """The mean distance of two entities' genres (1 - cosine), and the share of the entities
        released in the last NEW_DAYS.

        A page that is cut short is not a dull one: what needs more entities than it has is NaN.
        """
        count = len(entity_E)
        if not count:
            return np.nan, np.nan
        age_ms_E = at_ms - self._released_ms_N[entity_E]
        new = float(np.mean((age_ms_E >= 0) & (age_ms_E <= NEW_DAYS * DAY_MS)))
        if count < 2:
            return np.nan, new
        own_EG = self._genre_NG[entity_E]
        # The sum over all pairs is the squared length of the sum, less each with itself.
        alike = float((own_EG.sum(0) ** 2).sum() - (own_EG**2).sum())
        return 1.0 - alike / (count * (count - 1)), new


def _first_row_ms(served: events_pb2.PageServed) -> float:
    """Records from before it was measured, and those no server made, lack it."""
    if not served.HasField("time_to_first_row"):
        return np.nan
    return served.time_to_first_row.ToMicroseconds() / 1000


def _unit_genres(snapshot: CatalogSnapshot) -> npt.NDArray[np.float64]:
    """An entity without genres is like no other."""
    genres = sorted({genre for entity in snapshot.entities for genre in entity.genres})
    place = {genre: number for number, genre in enumerate(genres)}
    genre_NG = np.zeros((len(snapshot.entities), len(genres)))
    for number, entity in enumerate(snapshot.entities):
        genre_NG[number, [place[genre] for genre in entity.genres]] = 1.0
    length_N1 = np.linalg.norm(genre_NG, axis=1, keepdims=True)
    return genre_NG / np.where(length_N1 > 0, length_N1, 1.0)
