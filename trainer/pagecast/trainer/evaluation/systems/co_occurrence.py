"""How many users chose both of two entities: what item-kNN and EASE are made of.

Letters: U users, C entities of the fit part ("columns"), N all entities, Q requests, H history.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.requests import FitPart, Request
from pagecast.trainer.evaluation.systems.popularity import Popularity
from pagecast.trainer.evaluation.systems.system import Scores

USERS_TOGETHER = 1024
"""Users whose choices are dense at a time: bounds memory."""

ENTITIES_MAX = 10_000
"""Entities with interactions: four square matrices of more (3.2 GB) are too much for a laptop."""

STRANGER_HALF_LIFE_DAYS = 30.0
"""Of the popularity that strangers get, as of the fit: what popularity itself chooses by the
prequential validation of MovieLens 100K."""

Matrix = npt.NDArray[np.float64]


def count_together(
    user_X: npt.NDArray[np.int64], column_X: npt.NDArray[np.int64], columns: int
) -> Matrix:
    """How many users chose both of two columns [C, C]; interactions are ordered by user."""
    together_CC = np.zeros((columns, columns))
    users = int(user_X.max(initial=-1)) + 1
    for begin in range(0, users, USERS_TOGETHER):
        own = slice(*np.searchsorted(user_X, [begin, begin + USERS_TOGETHER]).tolist())
        chose_UC = np.zeros((USERS_TOGETHER, columns))
        chose_UC[user_X[own] - begin, column_X[own]] = 1.0
        together_CC += chose_UC.T @ chose_UC
    return together_CC


class CoOccurrence:
    """`together_CC` of a fit part, its diagonal the users of each entity; made once for a part."""

    def __init__(self) -> None:
        self._part: FitPart | None = None
        self._popularity = Popularity(STRANGER_HALF_LIFE_DAYS)

    def fit(self, part: FitPart) -> bool:
        """Counts, unless the part is the one counted already; returns whether it did."""
        if part is self._part:
            return False
        data, fit_X = part.data, part.interactions()
        self.entity_C = np.unique(data.entity_X[fit_X])
        if len(self.entity_C) > ENTITIES_MAX:
            raise EvaluationError(
                f"systems: {len(self.entity_C)} entities have interactions, item-knn and ease "
                f"take {ENTITIES_MAX} at most; leave them out"
            )
        self.entities = len(data.entities)
        self._column_N = np.full(self.entities, -1, np.int64)
        self._column_N[self.entity_C] = np.arange(len(self.entity_C))
        self.together_CC = count_together(
            data.user_X[fit_X], self._column_N[data.entity_X[fit_X]], len(self.entity_C)
        )
        self._popularity.fit(part, lambda _: None)
        self._part = part
        return True

    def history_columns(self, request: Request) -> npt.NDArray[np.int64]:
        """`column_H` of a request's history; -1 for what the fit part has not met."""
        return self._column_N[request.history_H]

    def scores(
        self, requests: Sequence[Request], weight_CC: Matrix, half: float | None = None
    ) -> Scores:
        """`score_QN`: each request's history, as a vector of weights, times a matrix.

        A history is binary, or weighs 0.5^(rank / half), rank 0 for the newest; an entity that
        stands twice weighs what its newest does. What the fit part has not met scores 0. A history
        with nothing that the fit part has met gets recent popularity: to tell a stranger nothing
        would make a baseline weaker than it need be.
        """
        history_QC = np.zeros((len(requests), len(self.entity_C)))
        for history_C, request in zip(history_QC, requests, strict=True):
            column_H = self.history_columns(request)
            weight_H = np.ones(len(column_H))
            if half is not None:
                weight_H = 0.5 ** (np.arange(len(column_H) - 1, -1, -1) / half)
            known_H = column_H >= 0
            # Oldest first: of an entity that stands twice the newest is written last, and stays.
            history_C[column_H[known_H]] = weight_H[known_H]
        score_QN = np.zeros((len(requests), self.entities))
        score_QN[:, self.entity_C] = history_QC @ weight_CC
        score_QN[~history_QC.any(1)] = self._popularity.score_N
        return score_QN
