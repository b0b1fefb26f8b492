"""Metadata nearest neighbours: what looks like what the user chose, without others' interactions.

Letters: E entities of the catalog, N of the evaluation, C components of a vector, Q requests.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.metadata_vectors import YEAR, metadata_vectors
from pagecast.trainer.evaluation.systems.system import Candidate, Scores, Told

HALVES = (2.0, 5.0, 20.0, 100.0)
"""After how many newer interactions one weighs half as much; tried on validation."""

YEAR_WEIGHTS = (0.0, 0.25, 1.0, 4.0)
"""How much the year counts beside genres, people and content embeddings; tried on validation."""


class MetadataKnn:
    """Cosine of an entity's metadata and of the user's history, its newest entities weighing most.

    A stranger has the history of everyone: the mean of the fit part's interactions.
    """

    learns = False

    def __init__(self, *, half: float, year_weight: float) -> None:
        self._half, self._year_weight = half, year_weight

    def fit(self, part: FitPart, told: Told) -> None:
        del told
        data = part.data
        self._vector_EC = metadata_vectors(data.catalog, {YEAR: self._year_weight})
        self._entities = len(data.entities)
        entity_X = data.entity_X[part.interactions()]
        known_X = entity_X[entity_X < len(self._vector_EC)]
        count_E = np.bincount(known_X, minlength=len(self._vector_EC))
        self._everyone_C = count_E @ self._vector_EC
        self._length_E = np.linalg.norm(self._vector_EC, axis=1)

    def retrain(self, part: FitPart) -> None:
        """Fitted anew: it takes a second."""
        self.fit(part, lambda _: None)

    def scores(self, requests: Sequence[Request]) -> Scores:
        wanted_QC = np.stack([self._wanted(request) for request in requests])
        score_QN = np.full((len(requests), self._entities), -np.inf)
        product_QE = wanted_QC @ self._vector_EC.T
        # An entity of which the catalog says nothing is like nothing.
        score_QN[:, : len(self._vector_EC)] = product_QE / np.where(
            self._length_E > 0, self._length_E, 1.0
        )
        return score_QN

    def _wanted(self, request: Request) -> np.ndarray:
        known_H = request.history_H[request.history_H < len(self._vector_EC)]
        if not len(known_H):
            return self._everyone_C
        weight_H = 0.5 ** (np.arange(len(known_H) - 1, -1, -1) / self._half)
        return weight_H @ self._vector_EC[known_H]

    def reveal(self, interaction: int) -> None:
        """Learns nothing of interactions; histories grow all the same."""


def metadata_knn_candidates(seed: int) -> list[Candidate]:
    """One for each half and weight of the year; nothing is drawn."""
    del seed
    return [
        Candidate(
            chosen={"half": half, "year_weight": weight},
            make=partial(MetadataKnn, half=half, year_weight=weight),
        )
        for half in HALVES
        for weight in YEAR_WEIGHTS
    ]
