import math

import numpy as np
import pytest

from pagecast.trainer.ranking import Tally, rank

SCORES = np.array([0.1, 0.9, 0.5, 0.5])


def test_the_best_has_rank_one() -> None:
    assert rank(SCORES, 1) == 1


def test_ties_count_against() -> None:
    assert rank(SCORES, 2) == rank(SCORES, 3) == 3


def test_what_is_left_out_takes_no_rank() -> None:
    assert rank(SCORES, 2, np.array([False, True, False, True])) == 1


def test_a_target_that_cannot_be_predicted_has_no_rank() -> None:
    assert rank(SCORES, -1) is None
    assert rank(SCORES, 1, np.array([False, True, False, False])) is None


def test_hits_and_gain_at_ten_by_hand() -> None:
    tally = Tally()
    score_N = np.arange(20.0)[::-1]
    for target in (0, 2, 9, 10, -1):
        tally.add(score_N, target)
    assert tally.hr == pytest.approx(3 / 5)
    assert tally.ndcg == pytest.approx((1 + 1 / math.log2(4) + 1 / math.log2(11)) / 5)


def test_nothing_told_of_no_targets_is_zero() -> None:
    assert Tally().hr == Tally().ndcg == 0.0
