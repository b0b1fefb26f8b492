"""The row ranker's view: what each row could hold now, and what it is worth to the user.

Letters in names: R rows and N entities of the snapshot, L the likeliest candidates of a row, H
distinct entities of a history, G features of a row.
"""

import numpy as np
import numpy.typing as npt

from pagecast.engine.graph import FloatArray
from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.engine.multi_stage.features import NEVER
from pagecast.rules import bitsets
from pagecast.rules.page_rules import PageRules
from pagecast.rules.predicates import Indices
from pagecast.v1 import catalog_pb2

_SOURCES = (
    catalog_pb2.ROW_SOURCE_POPULAR,
    catalog_pb2.ROW_SOURCE_RECENT,
    catalog_pb2.ROW_SOURCE_BECAUSE,
)
"""In the order of ROW_FEATURES."""


class RowViews:
    """Rows of one page in the making; an entity given to `place` is in no other row.

    Each row's likeliest candidates are kept, as many as a page could take from it: their order does
    not change while the page grows.
    """

    def __init__(
        self, candidates: Candidates, rules: PageRules, logits_N: FloatArray, entity_H: Indices
    ) -> None:
        self._rules = rules
        self._chance_N = _chances(rules, logits_N)
        self._open_N = np.ones(len(logits_N), bool)
        for row in rules.standing:
            self._open_N[list(row.entities)] = False
        self._arguments = list(range(len(rules.arguments_A)))
        self._kept: dict[tuple[int, int], Indices] = {}
        self._fixed_RG = _fixed(candidates, rules, entity_H)

    def place(self, entity: int) -> None:
        self._open_N[entity] = False

    def take(self, argument: int) -> None:
        """A BECAUSE row has this entity as its argument now."""
        self._arguments = [a for a in self._arguments if self._rules.arguments_A[a] != argument]

    def features(self) -> FloatArray:
        """`feature_RG`, in the order of ROW_FEATURES."""
        rows = range(len(self._rules.pin_R))
        hit_R = np.array([self._hit(row) for row in rows], np.float64)
        feature_RG = self._fixed_RG.copy()
        feature_RG[:, 0] = np.log(hit_R + NEVER)
        return feature_RG

    def first_entities(self, row: int) -> Indices:
        """The likeliest of a row's candidates that are not placed yet, as many as it may hold."""
        likely_L = self._likeliest(row)
        return likely_L[self._open_N[likely_L]][: int(self._rules.entities_max_R[row])]

    def _hit(self, row: int) -> float:
        return float(self._chance_N[self.first_entities(row)].sum())

    def _likeliest(self, row: int) -> Indices:
        rules = self._rules
        argument = self._arguments[0] if rules.because_R[row] and self._arguments else -1
        if (row, argument) not in self._kept:
            words_W = rules.candidates_RW[row]
            if rules.because_R[row]:
                none_W = np.zeros_like(words_W)
                words_W = words_W & rules.like_AW[argument] if argument >= 0 else none_W
            candidates = bitsets.members(words_W, len(self._chance_N))
            most = int(rules.entities_max_R.max(initial=1)) * (rules.rows_max + 1)
            order = np.argsort(-self._chance_N[candidates], kind="stable")[:most]
            self._kept[row, argument] = candidates[order]
        return self._kept[row, argument]


def _chances(rules: PageRules, logits_N: FloatArray) -> npt.NDArray[np.float64]:
    """How likely each entity [N] is to be next, among all that may stand anywhere on the page."""
    any_W = np.bitwise_or.reduce(rules.candidates_RW, axis=0)
    members = bitsets.members(any_W, len(logits_N))
    chance_N = np.zeros(len(logits_N), np.float64)
    if len(members):
        weight = np.exp(logits_N[members].astype(np.float64) - float(logits_N[members].max()))
        chance_N[members] = weight / weight.sum()
    return chance_N


def _fixed(candidates: Candidates, rules: PageRules, entity_H: Indices) -> FloatArray:
    """Features [R, G] that do not change while the page grows; the first is left 0."""
    catalog = rules.catalog
    rows = catalog.snapshot.rows
    # A stranger's history is in no row.
    own_R = bitsets.held(catalog.words_RW, entity_H).sum(1) / max(len(entity_H), 1)
    share_R = catalog.bitmaps_RN @ candidates.count_N / max(float(candidates.count_N.sum()), 1.0)
    of_source = [[row.source == source for row in rows] for source in _SOURCES]
    columns = (np.zeros(len(rows)), np.log(own_R + NEVER), np.log(share_R + NEVER), *of_source)
    return np.stack([np.asarray(c, np.float32) for c in columns], axis=1)
