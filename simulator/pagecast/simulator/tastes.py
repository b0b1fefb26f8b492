"""Tastes: a factorisation of what real people took up.

Letters: U people, E entities, K factors.
"""

from dataclasses import dataclass

import numpy as np

from pagecast.simulator.data import Floats, TrainingData

SHRINK = 20.0
"""Interactions added to an entity's own: so the factors of rare ones, of which hardly anything is
known, are small."""


@dataclass(frozen=True, kw_only=True)
class Tastes:
    """Taste for an entity is `person_UK[u] @ entity_EK[e]`: mean 0, deviation 1 over all pairs."""

    person_UK: Floats
    entity_EK: Floats
    appeal_E: Floats
    """What everybody likes: logarithm of the count, mean 0, deviation 1."""

    @property
    def person_deviation_K(self) -> Floats:
        return _deviation(self.person_UK)

    @property
    def entity_deviation_K(self) -> Floats:
        return _deviation(self.entity_EK)


def factorise(data: TrainingData, factors: int) -> Tastes:
    """Singular vectors of the matrix, each value divided by the roots of its margins.

    The first pair of such a matrix is popularity itself and is left out, since appeal has that.
    Small data give only as many factors as they have.
    """
    value_UE = data.matrix_UE()
    person_U = np.maximum(value_UE.sum(axis=1), 1e-9)
    entity_E = value_UE.sum(axis=0)
    scaled_UE = value_UE / np.sqrt(person_U)[:, None] / np.sqrt(entity_E + SHRINK)[None, :]
    left_UK, singular_K, right_KE = _singular(scaled_UE, factors + 1)
    person_UK = left_UK[:, 1:] * singular_K[1:] / np.sqrt(person_U)[:, None]
    entity_EK = (right_KE[1:] / np.sqrt(entity_E + SHRINK)[None, :]).T
    person_UK = _unit_rows(person_UK)
    entity_EK = entity_EK - entity_EK.mean(axis=0)
    entity_EK /= max(float((person_UK @ entity_EK.T).std()), 1e-12)
    count_E = np.bincount(data.entity_N, minlength=len(data.entity_ids))
    appeal_E = np.log1p(count_E)
    appeal_E = (appeal_E - appeal_E.mean()) / max(float(appeal_E.std()), 1e-12)
    return Tastes(person_UK=person_UK, entity_EK=entity_EK, appeal_E=appeal_E)


def _singular(value_UE: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """The greatest `count` singular triples, by the eigenvectors of the smaller Gram matrix."""
    if value_UE.shape[0] > value_UE.shape[1]:
        right_EK, singular_K, left_KU = _singular(value_UE.T, count)
        return left_KU.T, singular_K, right_EK.T
    square_K, left_UK = np.linalg.eigh(value_UE @ value_UE.T)
    order = np.argsort(-square_K)[:count]
    singular_K = np.sqrt(np.maximum(square_K[order], 1e-12))
    left_UK = left_UK[:, order]
    # An eigenvector's sign is the library's whim: the greatest component is made positive.
    greatest_K = left_UK[np.abs(left_UK).argmax(axis=0), np.arange(left_UK.shape[1])]
    left_UK = left_UK * np.where(greatest_K < 0, -1.0, 1.0)
    return left_UK, singular_K, (left_UK.T @ value_UE) / singular_K[:, None]


def _unit_rows(rows_UK: Floats) -> Floats:
    """Everybody's taste is equally decided, however much is known of them."""
    unit_UK: Floats = rows_UK / np.maximum(np.linalg.norm(rows_UK, axis=1, keepdims=True), 1e-12)
    return unit_UK


def _deviation(rows_NK: Floats) -> Floats:
    deviation_K: Floats = rows_NK.std(axis=0)
    return deviation_K
