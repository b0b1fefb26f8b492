"""A multi-stage baseline as a system: its entity ranker is asked for the next entity.

The ranker's logits take the place of a generative model's distribution after [prompt, ROW top]:
they order all entities for a request, by the features that serving takes from its rules.

Letters: Q requests, N entities of the evaluation.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.featurestore.catalog.popularity import HALF_LIFE_MS
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.popularity import DAY_MS, DecayedCounts
from pagecast.trainer.evaluation.systems.system import Scores, System, Told
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.examples import rules_of

PAGE = MultiStageConfig()
"""Whose page the rules are compiled for: the one that the rankers learned from."""


class MultiStageSystem(System):
    """Its tables are fixed; the popularity of the moment, which the ranker sees, keeps moving."""

    learns = True

    def __init__(self, tables: MultiStageTables) -> None:
        self._tables = tables

    def fit(self, part: FitPart, told: Told) -> None:
        """Counts what was taken up until now, as the server does."""
        del told
        self._data = data = part.data
        self._catalog = CompiledCatalog(data.catalog)
        self._candidates = Candidates(self._tables, data.catalog)
        self._counts = DecayedCounts(len(data.entities), HALF_LIFE_MS / DAY_MS)
        fit_X = part.interactions()
        self._counts.add_all(data.at_ms_X[fit_X], data.entity_X[fit_X])

    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN`, -inf for what the catalog lacks."""
        score_QN = np.full((len(requests), len(self._data.entities)), -np.inf, np.float32)
        known = len(self._data.catalog.entities)
        count_N = self._counts.score_N[:known]
        popular = np.argsort(-count_N, kind="stable")[: np.count_nonzero(count_N)]
        for score_N, request in zip(score_QN, requests, strict=True):
            prompt = prompt_at(self._data.users[request.user], request.visible, self._data.catalog)
            rules = rules_of(prompt, self._catalog, popular, PAGE)
            entity_H = self._candidates.history(prompt.steps)
            feature_NF = self._candidates.entity_features(prompt, rules, entity_H)
            score_N[:known] = feature_NF @ self._tables.entity_ranker_F
        return score_QN

    def reveal(self, interaction: int) -> None:
        data = self._data
        self._counts.add(int(data.at_ms_X[interaction]), int(data.entity_X[interaction]))
