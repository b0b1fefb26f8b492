import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.trainer.evaluation.figures.auc import auc_interval, weighted_auc


def auc(rows: list[tuple[float, bool, float]]) -> float:
    score, positive, weight = (np.array(column) for column in zip(*rows, strict=True))
    return weighted_auc(score.astype(np.float64), positive, weight.astype(np.float64))


def test_by_hand() -> None:
    assert auc([(3, True, 1), (2, False, 1), (1, False, 1)]) == 1.0
    assert auc([(1, True, 1), (2, False, 1)]) == 0.0
    assert auc([(1, True, 1), (1, False, 1)]) == 0.5


def test_a_heavy_impression_counts_for_more() -> None:
    light = [(3, True, 1.0), (2, False, 1.0), (1, True, 1.0)]
    heavy = [(3, True, 3.0), (2, False, 1.0), (1, True, 1.0)]
    assert (auc(light), auc(heavy)) == (0.5, 0.75)


def test_of_one_kind_alone_there_is_none() -> None:
    assert np.isnan(auc([(1, True, 1), (2, True, 1)]))


IMPRESSION = st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 4))


@given(st.lists(IMPRESSION, min_size=2))
def test_it_is_the_chance_that_a_positive_is_above_a_negative(
    rows: list[tuple[int, bool, int]],
) -> None:
    good = [(s, w) for s, p, w in rows if p]
    bad = [(s, w) for s, p, w in rows if not p]
    found = auc([(float(s), p, float(w)) for s, p, w in rows])
    if not good or not bad:
        assert np.isnan(found)
        return
    won = sum(w * v * (1.0 if s > t else 0.5 if s == t else 0.0) for s, w in good for t, v in bad)
    assert found == pytest.approx(won / sum(w * v for _, w in good for _, v in bad))


def test_an_interval_holds_what_it_is_of() -> None:
    rng = np.random.default_rng(0)
    positive_X = rng.random(400) < 0.3
    score_X = rng.normal(size=400) + positive_X
    weight_X, user_X = np.ones(400), np.repeat(np.arange(40), 10)
    found = auc_interval(score_X, positive_X, weight_X, user_X)
    assert 0.5 < found.low < weighted_auc(score_X, positive_X, weight_X) < found.high < 1.0
