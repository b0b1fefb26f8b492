"""How good a head is on rows it was not fitted on, beside what the labels alone say.

Letters: X rows, K outputs.
"""

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.figures.auc import weighted_auc
from pagecast.trainer.tasks.rows import LabelKind

Floats = npt.NDArray[np.float32]

CHANCE_MIN = 1e-6
"""A chance below this counts as this: one row must not make a mean of logarithms infinite."""


def figures_of(
    kind: LabelKind, score_XK: Floats, label_X: Floats, fitted_X: Floats
) -> dict[str, float]:
    """Figures of the test; `base_` ones are those of a constant taken from the fitted labels."""
    match kind:
        case LabelKind.BINARY:
            return _binary(score_XK[:, 0], label_X, fitted_X)
        case LabelKind.CLASS:
            return _class(score_XK, label_X.astype(np.int64), fitted_X.astype(np.int64))
        case _:
            return _real(score_XK[:, 0], label_X, fitted_X)


def _binary(score_X: Floats, label_X: Floats, fitted_X: Floats) -> dict[str, float]:
    positive_X, one_X = label_X > 0.5, np.ones(len(label_X))
    auc = weighted_auc(score_X.astype(np.float64), positive_X, one_X)
    base_X = np.full_like(score_X, fitted_X.mean())
    return {
        **({} if np.isnan(auc) else {"auc": auc}),  # the test lacks one of the two
        "log_loss": _log_loss(np.where(positive_X, score_X, 1 - score_X)),
        "base_log_loss": _log_loss(np.where(positive_X, base_X, 1 - base_X)),
    }


def _class(
    score_XK: Floats, label_X: npt.NDArray[np.int64], fitted_X: npt.NDArray[np.int64]
) -> dict[str, float]:
    count_K = np.bincount(fitted_X, minlength=score_XK.shape[1])
    return {
        "accuracy": float((score_XK.argmax(1) == label_X).mean()),
        "base_accuracy": float((label_X == count_K.argmax()).mean()),
        "log_loss": _log_loss(score_XK[np.arange(len(label_X)), label_X]),
        "base_log_loss": _log_loss((count_K / count_K.sum())[label_X]),
    }


def _real(score_X: Floats, label_X: Floats, fitted_X: Floats) -> dict[str, float]:
    return {
        "rmse": float(np.sqrt(np.square(score_X - label_X).mean())),
        "base_rmse": float(np.sqrt(np.square(fitted_X.mean() - label_X).mean())),
    }


def _log_loss(chance_X: npt.NDArray[np.floating]) -> float:
    return float(-np.log(np.maximum(chance_X, CHANCE_MIN)).mean())
