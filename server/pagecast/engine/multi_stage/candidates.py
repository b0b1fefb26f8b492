"""The first stage: what a user may be shown, scored by EASE, and the rankers' features of it.

Letters in names: N entities of the snapshot, C entities of the training, H distinct entities of a
history, K genres, F features of an entity.
"""

from collections.abc import Iterable

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.engine.multi_stage.features import NEVER
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Step
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules
from pagecast.rules.predicates import Indices

TAKEN_UP = frozenset(
    {
        Action.VIEW_DETAILS,
        Action.CLICK,
        Action.PLAY_TRAILER,
        Action.ADD_TO_LIST,
        Action.PLAY_FEATURE,
        Action.PLAY_LIVE,
        Action.RATE,
        Action.PURCHASE,
        Action.COMPLETE,
    }
)
"""Steps that speak for an entity; the same that training counts as interactions."""

GENRE_HALF = 20.0
"""The number of newer entities after which one weighs half as much in a user's genres: taste in
genres changes more slowly than what EASE follows."""

RELEASE_DAYS = 365.0
"""After this many days a release counts a third of a new one. Long, because histories hold few
choices of very new releases, and what is learned from them is applied to premieres."""

_DAY_MS = 86_400_000


class Candidates:
    """Tables for one catalog number. Never changes, so any number of pages may share it.

    `count_N` is how often each entity was taken up lately, as of the training.
    """

    def __init__(self, tables: MultiStageTables, snapshot: CatalogSnapshot) -> None:
        column = {entity_id: c for c, entity_id in enumerate(tables.entity_ids)}
        entities = snapshot.entities
        self.tables = tables
        self.snapshot = snapshot
        self._column_N = np.array([column.get(e.entity_id, -1) for e in entities], np.int64)
        self._known_N = self._column_N >= 0
        self.count_N = np.zeros(len(entities), np.float32)
        self.count_N[self._known_N] = tables.count_C[self._column_N[self._known_N]]
        self._log_count_N = np.log1p(self.count_N)
        self._genre_NK = _genres(snapshot)
        self._released_ms_N = np.array([e.released_at_ms or 0 for e in entities], np.int64)

    def history(self, steps: Iterable[Step]) -> Indices:
        """`entity_H`: the entities a user took up, by index, newest first, each once."""
        index = self.snapshot.entity_index
        newest_first = reversed([s.entity_id for s in steps if s.action in TAKEN_UP])
        found = dict.fromkeys(index[e] for e in newest_first if e in index)
        return np.array(list(found), np.int64)

    def entity_features(self, prompt: Prompt, rules: PageRules, entity_H: Indices) -> FloatArray:
        """`feature_NF` of every entity, in the order of ENTITY_FEATURES."""
        ease_N = self._ease(entity_H)
        popular_N = np.zeros(len(ease_N), np.float32)
        popular = np.array(rules.popular, np.int64)
        popular_N[popular] = 1.0 / np.log2(2.0 + np.arange(len(popular)))
        age_days_N = (prompt.request.at_ms - self._released_ms_N) / _DAY_MS
        released_N = (self._released_ms_N > 0) & (age_days_N >= 0)
        columns = (
            ease_N,
            np.log(np.maximum(ease_N, 0.0) + NEVER),
            self._log_count_N,
            popular_N,
            self._affinity(entity_H),
            np.where(released_N, np.exp(-np.maximum(age_days_N, 0.0) / RELEASE_DAYS), 0.0),
            ~self._known_N,
        )
        return np.stack(columns, axis=1).astype(np.float32)

    def _ease(self, entity_H: Indices) -> FloatArray:
        """Scores [N] for generating candidates; 0 for entities that EASE has not met."""
        column_H = self._column_N[entity_H]
        weight_H = _decay(len(entity_H), self.tables.history_half)
        known_H = column_H >= 0
        score_C = weight_H[known_H] @ self.tables.weight_CC[column_H[known_H]]
        score_N = np.zeros(len(self._column_N), np.float32)
        score_N[self._known_N] = score_C[self._column_N[self._known_N]]
        return score_N

    def _affinity(self, entity_H: Indices) -> FloatArray:
        """Cosine [N] between an entity's genres and the history's."""
        taste_K = _decay(len(entity_H), GENRE_HALF) @ self._genre_NK[entity_H]
        length = float(np.linalg.norm(taste_K))
        affinity_N: FloatArray = self._genre_NK @ (taste_K / length if length else taste_K)
        return affinity_N


def _decay(count: int, half: float) -> FloatArray:
    return (0.5 ** (np.arange(count) / half)).astype(np.float32)


def _genres(snapshot: CatalogSnapshot) -> FloatArray:
    """Genres [N, K] of unit length, zero for an entity without any."""
    genres = {g: k for k, g in enumerate(sorted({g for e in snapshot.entities for g in e.genres}))}
    genre_NK = np.zeros((len(snapshot.entities), max(len(genres), 1)), np.float32)
    for n, entity in enumerate(snapshot.entities):
        genre_NK[n, [genres[g] for g in entity.genres]] = 1.0
    length_N1 = np.linalg.norm(genre_NK, axis=1, keepdims=True)
    unit_NK: FloatArray = genre_NK / np.maximum(length_N1, 1.0)
    return unit_NK
