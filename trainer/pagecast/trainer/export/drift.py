"""How far published embeddings have moved since the release before.

Letters: C common entities or users, Q those asked for, P width, K neighbours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.engine.graph import FloatArray

NEIGHBOURS = 10

QUERIES_MAX = 2_000
"""Entities whose neighbours are looked up: enough to see a hundredth, whatever the catalog."""

QUERIES_TOGETHER = 200
"""Looked up at a time: bounds memory, a similarity to every entity for each."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Of one table in two releases.

    `cosine` is the mean one between an entity's new embedding and its old. `neighbours` is the
    share of an entity's ten nearest of before that its new embedding finds among the old ones: what
    an index that was not built again still answers. `own_neighbours` is the share that is among its
    ten nearest now: a map changes that only through the weight of the axes, so it says how much the
    model has moved.
    """

    cosine: float
    neighbours: float
    own_neighbours: float


def moved(now_CP: FloatArray, before_CP: FloatArray) -> Moved:
    """Compares tables with at least two rows, aligned by row."""
    now_CP, before_CP = _directions(now_CP), _directions(before_CP)
    count = len(now_CP)
    place_Q = np.unique(np.linspace(0, count - 1, min(count, QUERIES_MAX)).round().astype(int))
    was_QK = _nearest(before_CP[place_Q], before_CP, place_Q)
    return Moved(
        cosine=mean_cosine(now_CP, before_CP),
        neighbours=_shared(was_QK, _nearest(now_CP[place_Q], before_CP, place_Q)),
        own_neighbours=_shared(was_QK, _nearest(now_CP[place_Q], now_CP, place_Q)),
    )


def mean_cosine(now_CP: FloatArray, before_CP: FloatArray) -> float:
    """Between rows of the same place."""
    return float((_directions(now_CP) * _directions(before_CP)).sum(1).mean())


def _nearest(
    asked_QP: FloatArray, among_CP: FloatArray, self_Q: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """`place_QK` of the largest cosines, an entity itself left out."""
    kept = min(NEIGHBOURS, len(among_CP) - 1)
    found = []
    for begin in range(0, len(asked_QP), QUERIES_TOGETHER):
        part = slice(begin, begin + QUERIES_TOGETHER)
        cosine_QC = asked_QP[part] @ among_CP.T
        cosine_QC[np.arange(len(cosine_QC)), self_Q[part]] = -np.inf
        found.append(np.argpartition(-cosine_QC, kept - 1, axis=1)[:, :kept])
    return np.concatenate(found)


def _shared(was_QK: npt.NDArray[np.int64], now_QK: npt.NDArray[np.int64]) -> float:
    """Mean share of what is in both rows."""
    return float((was_QK[:, :, None] == now_QK[:, None]).any(2).mean())


def _directions(table_CP: FloatArray) -> FloatArray:
    length_C1 = np.linalg.norm(table_CP, axis=1, keepdims=True)
    directions_CP: FloatArray = table_CP / np.maximum(length_C1, 1e-12)
    return directions_CP
