"""Balanced k-means: no code holds much more than its share, and none is dead.

Plain Lloyd's leaves codes that nobody has and codes that everybody has, and both waste a position
of every ID. None of the libraries that are installed anyway bounds the size of clusters, so this is
our own, in numpy: a matrix product and a few sorts a round.

Letters: N points, K codes, S their width.
"""

import math

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

BALANCE = 1.5
"""Points of a code, at most, relative to an even share: taste is not spread evenly, so a bound of 1
would tear apart what belongs together."""

ROUNDS = 20
"""Rounds of Lloyd's at most; what still moves after twenty moves between near equals."""


def size_max(points: int, codes: int) -> int:
    """Points of a code, at most."""
    return max(1, math.ceil(BALANCE * points / codes))


def balanced_kmeans(point_NS: Floats, codes: int) -> tuple[Floats, Ints]:
    """Returns `centroid_KS` and `code_N`; the same points give the same.

    No code has more than `size_max` points, and each has at least one if there are enough. With
    fewer points than codes, the codes left over repeat the first and are nobody's.
    """
    used = min(codes, len(point_NS))
    if not used:
        raise ValueError("no points to make codes of")
    code_N = _even(point_NS, used)
    for _ in range(ROUNDS):
        centroid_KS = _means(point_NS, code_N, used)
        distance_NK = _distances(point_NS, centroid_KS)
        moved_N = _nearest_with_room(distance_NK, size_max(len(point_NS), codes))
        _revive(moved_N, distance_NK)
        if (moved_N == code_N).all():
            break
        code_N = moved_N
    centroid_KS = _means(point_NS, code_N, used)
    filler_KS = np.repeat(centroid_KS[:1], codes - used, axis=0)
    return np.concatenate([centroid_KS, filler_KS]), code_N


def _even(point_NS: Floats, codes: int) -> Ints:
    """Balanced initialisation: halves along the widest direction, again and again."""
    code_N = np.zeros(len(point_NS), np.int64)
    parts = [(np.arange(len(point_NS)), 0, codes)]
    while parts:
        member_M, first, count = parts.pop()
        if count == 1:
            code_N[member_M] = first
            continue
        centred_MS = point_NS[member_M] - point_NS[member_M].mean(0)
        axis_S = np.linalg.eigh(centred_MS.T @ centred_MS)[1][:, -1]
        order_M = member_M[np.argsort(centred_MS @ axis_S, kind="stable")]
        left = count // 2
        cut = len(order_M) * left // count
        parts += [(order_M[:cut], first, left), (order_M[cut:], first + left, count - left)]
    return code_N


def _means(point_NS: Floats, code_N: Ints, codes: int) -> Floats:
    sum_KS = np.zeros((codes, point_NS.shape[1]), np.float64)
    np.add.at(sum_KS, code_N, point_NS)
    count_K = np.bincount(code_N, minlength=codes)
    mean_KS: Floats = (sum_KS / count_K[:, None]).astype(np.float32)
    return mean_KS


def _distances(point_NS: Floats, centroid_KS: Floats) -> Floats:
    """Squared."""
    square_K = (centroid_KS**2).sum(1)
    distance_NK: Floats = (point_NS**2).sum(1)[:, None] - 2 * point_NS @ centroid_KS.T + square_K
    return distance_NK


def _nearest_with_room(distance_NK: Floats, room: int) -> Ints:
    """A code that too many points ask for keeps the nearest; the others ask elsewhere.

    Each round but the last fills a code, so there are at most K + 1.
    """
    points, codes = distance_NK.shape
    code_N = np.full(points, -1, np.int64)
    room_K = np.full(codes, room)
    asking_M = np.arange(points)
    while len(asking_M):
        open_MK = np.where(room_K > 0, distance_NK[asking_M], np.inf)
        wanted_M = open_MK.argmin(1)
        for code in np.unique(wanted_M).tolist():
            taker_T = np.flatnonzero(wanted_M == code)
            nearest_T = np.argsort(open_MK[taker_T, code], kind="stable")[: room_K[code]]
            code_N[asking_M[taker_T[nearest_T]]] = code
            room_K[code] -= len(nearest_T)
        asking_M = np.flatnonzero(code_N < 0)
    return code_N


def _revive(code_N: Ints, distance_NK: Floats) -> None:
    """A dead code takes from the largest one the point that is farthest from its centre."""
    for code in np.flatnonzero(np.bincount(code_N, minlength=distance_NK.shape[1]) == 0).tolist():
        largest = int(np.bincount(code_N).argmax())
        member_M = np.flatnonzero(code_N == largest)
        code_N[member_M[distance_NK[member_M, largest].argmax()]] = code
