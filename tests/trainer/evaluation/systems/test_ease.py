import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import data_of, part_of, request_of, untold

from pagecast.trainer.evaluation.systems.ease import (
    Ease,
    EaseWeights,
    ease_candidates,
    ease_recency_candidates,
    ease_weights,
)


def test_weights_are_those_of_the_closed_form() -> None:
    """(G + 1) is [[3, 1], [1, 3]], its inverse [[3, -1], [-1, 3]] / 8."""
    weight_CC = ease_weights(np.array([[2.0, 1.0], [1.0, 2.0]]), 1.0)
    assert weight_CC == pytest.approx(np.array([[0.0, 1 / 3], [1 / 3, 0.0]]))


def test_each_column_is_divided_by_its_own_diagonal() -> None:
    """(G + 1) is [[3, 1], [1, 2]], its inverse [[2, -1], [-1, 3]] / 5."""
    weight_CC = ease_weights(np.array([[2.0, 1.0], [1.0, 1.0]]), 1.0)
    assert weight_CC == pytest.approx(np.array([[0.0, 1 / 3], [1 / 2, 0.0]]))


def test_histories_are_binary_or_recent() -> None:
    data = data_of(
        *(("1", "a", 1), ("1", "b", 2), ("2", "a", 1), ("2", "b", 2)),
        *(("3", "a", 1), ("3", "c", 2), ("4", "b", 1), ("4", "c", 2)),
    )
    part, request = part_of(data), request_of(data, "a", "b")

    def score_c(half: float | None) -> float:
        ease = Ease(EaseWeights(), regularisation=1.0, half=half)
        ease.fit(part, untold)
        return float(ease.scores([request])[0, 2])

    assert score_c(1.0) == pytest.approx(0.75 * score_c(None)), "a and b are alike to c"


def test_weights_are_made_anew_for_another_part_or_lambda() -> None:
    shared = EaseWeights()
    one, other = (part_of(data_of(("1", "a", 1), ("1", e, 2))) for e in ("b", "c"))
    weight_CC = shared.of(one, 1.0)
    assert shared.of(one, 1.0) is weight_CC
    assert shared.of(one, 2.0) is not weight_CC
    assert shared.of(other, 2.0) is not shared.of(one, 2.0)


def test_lambda_and_half_are_tried() -> None:
    assert {"lambda": 100.0} in [c.chosen for c in ease_candidates(0)]
    assert {"lambda": 500.0, "half": 5.0} in [c.chosen for c in ease_recency_candidates(0)]
