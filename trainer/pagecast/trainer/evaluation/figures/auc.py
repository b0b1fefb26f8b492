"""Weighted area under the ROC curve.

Letters: X impressions, U users, S resamples.
"""

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.figures.intervals import SEED, SHARE, Interval

RESAMPLES = 200
"""Each goes over all impressions; with so many, an interval's ends move in the third decimal."""

Floats = npt.NDArray[np.float64]


def weighted_auc(score_X: Floats, positive_X: npt.NDArray[np.bool_], weight_X: Floats) -> float:
    """The chance that a positive scores above a negative, both drawn by weight; ties count half.

    nan if there are no positives or no negatives.
    """
    return _Sorted(score_X, positive_X).auc(weight_X)


def auc_interval(
    score_X: Floats,
    positive_X: npt.NDArray[np.bool_],
    weight_X: Floats,
    user_X: npt.NDArray[np.int64],
) -> Interval:
    """The middle 95 % of resamples of the users, whose impressions stand or fall together."""
    ordered = _Sorted(score_X, positive_X)
    _, of_X = np.unique(user_X, return_inverse=True)
    users = int(of_X.max(initial=-1)) + 1
    rng = np.random.default_rng(SEED)
    times_SU = rng.multinomial(users, np.full(users, 1.0 / max(users, 1)), size=RESAMPLES)
    found_S = np.array([ordered.auc(weight_X * times_U[of_X]) for times_U in times_SU])
    known_S = found_S[~np.isnan(found_S)]
    if not len(known_S):
        return Interval(low=float("nan"), high=float("nan"))
    low, high = np.quantile(known_S, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(low=float(low), high=float(high))


class _Sorted:
    """Impressions in the order of their scores, sorted once for many weights."""

    def __init__(self, score_X: Floats, positive_X: npt.NDArray[np.bool_]) -> None:
        self._positive_X = positive_X
        _, self._place_X = np.unique(score_X, return_inverse=True)

    def auc(self, weight_X: Floats) -> float:
        places = int(self._place_X.max(initial=-1)) + 1
        good_P = np.bincount(self._place_X, weight_X * self._positive_X, places)
        bad_P = np.bincount(self._place_X, weight_X * ~self._positive_X, places)
        pairs = float(good_P.sum() * bad_P.sum())
        below_P = np.cumsum(bad_P) - bad_P / 2
        return float((good_P * below_P).sum()) / pairs if pairs > 0 else float("nan")
