"""Whether predictions come true as often as their probabilities say.

Letters: X predictions, K bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

BINS = 10
"""Each has about the same weight: most probabilities are small, so of bins of equal width all but
the first would be empty."""


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Means of the predictions of a bin, and of what came of them."""

    predictions: int
    predicted: float
    real: float

    def to_json(self) -> dict[str, JsonValue]:
        return {"predictions": self.predictions, "predicted": self.predicted, "real": self.real}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """`error` is the expected calibration error: the mean distance of a bin's two means."""

    error: float
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "expected_calibration_error": self.error,
            "bins": [part.to_json() for part in self.bins],
        }


def calibration(
    predicted_X: Sequence[float] | npt.NDArray[np.floating],
    real_X: Sequence[float] | npt.NDArray[np.floating],
    weight_X: npt.NDArray[np.float64] | None = None,
) -> Calibration | None:
    """Reliability bins, growing by prediction; None without predictions.

    Bins have about the same weight; predictions weigh alike unless `weight_X` says otherwise. Bins'
    means and the error are weighted, too: copies that together weigh as much change nothing.
    """
    predicted, real = np.asarray(predicted_X, np.float64), np.asarray(real_X, np.float64)
    if not len(predicted):
        return None
    weight = np.ones(len(predicted)) if weight_X is None else weight_X
    order = np.argsort(predicted, kind="stable")
    share = weight[order] / weight.sum()
    bin_X = ((np.cumsum(share) - share / 2) * BINS).astype(np.int64)
    bins: list[Bin] = []
    away = 0.0
    for some in filter(len, (order[bin_X == number] for number in range(BINS))):
        part = Bin(
            predictions=len(some),
            predicted=float(np.average(predicted[some], weights=weight[some])),
            real=float(np.average(real[some], weights=weight[some])),
        )
        bins.append(part)
        away += float(weight[some].sum()) * abs(part.predicted - part.real)
    return Calibration(error=away / float(weight.sum()), bins=tuple(bins))
