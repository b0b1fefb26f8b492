import math

import numpy as np
import pytest

from pagecast.trainer.evaluation.figures import ranks as module
from pagecast.trainer.evaluation.figures.ranks import (
    MISS,
    hit_gains,
    ndcg_gains,
    ranks,
    reciprocal_ranks,
)


def rank(scores: list[float], target: int, seen: tuple[int, ...] = ()) -> tuple[int, int]:
    """Masked and unmasked rank of one target."""
    seen_QN = np.zeros((1, len(scores)), np.bool_)
    seen_QN[0, list(seen)] = True
    found = ranks(np.array([scores]), seen_QN, np.array([0]), np.array([target]))
    return int(found.masked_T[0]), int(found.unmasked_T[0])


def test_the_best_score_ranks_first() -> None:
    assert rank([0.1, 0.9, 0.5], target=1) == (1, 1)
    assert rank([0.1, 0.9, 0.5], target=0) == (3, 3)


def test_equal_scores_count_as_better() -> None:
    assert rank([0.5, 0.5, 0.5, 0.1], target=0) == (3, 3)


def test_masked_leaves_out_what_was_seen() -> None:
    assert rank([0.1, 0.9, 0.5], target=0, seen=(1,)) == (2, 3)


def test_a_target_that_was_seen_is_a_miss_where_masked() -> None:
    assert rank([0.1, 0.9, 0.5], target=1, seen=(1,)) == (MISS, 1)


def test_a_target_that_cannot_be_scored_is_a_miss() -> None:
    assert rank([0.1, -math.inf], target=1) == (MISS, MISS)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        rank([0.1, math.nan], target=1)


def test_each_target_is_ranked_by_its_own_request() -> None:
    found = ranks(
        np.array([[2.0, 1.0], [1.0, 2.0]]),
        np.zeros((2, 2), np.bool_),
        np.array([0, 0, 1]),
        np.array([0, 1, 1]),
    )
    assert found.unmasked_T.tolist() == [1, 2, 1]


def test_many_targets_are_ranked_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    score_QN = np.random.default_rng(3).random((4, 9))
    of_T, target_T = np.arange(36) // 9, np.arange(36) % 9
    seen_QN = score_QN < 0.2
    whole = module.ranks(score_QN, seen_QN, of_T, target_T)
    monkeypatch.setattr(module, "TARGETS_TOGETHER", 5)
    parts = module.ranks(score_QN, seen_QN, of_T, target_T)
    assert parts.masked_T.tolist() == whole.masked_T.tolist()
    assert parts.unmasked_T.tolist() == whole.unmasked_T.tolist()


def test_gains_are_cut_at_ten_and_reciprocal_ranks_are_not() -> None:
    rank_T = np.array([1, 3, 10, 11, MISS])
    assert ndcg_gains(rank_T) == pytest.approx([1.0, 0.5, 1 / math.log2(11), 0.0, 0.0])
    assert hit_gains(rank_T).tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert reciprocal_ranks(rank_T) == pytest.approx([1.0, 1 / 3, 0.1, 1 / 11, 0.0])
