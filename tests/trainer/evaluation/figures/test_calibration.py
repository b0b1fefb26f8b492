import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.trainer.evaluation.figures.calibration import BINS, calibration


def test_what_happens_as_often_as_it_is_said_has_no_error() -> None:
    found = calibration([0.25] * 40, [1.0, 0.0, 0.0, 0.0] * 10)
    assert found is not None
    assert found.error == pytest.approx(0.0)


def test_the_error_is_how_far_off_the_bins_are() -> None:
    found = calibration([0.1] * 50 + [0.9] * 50, [0.0] * 50 + [0.5] * 50)
    assert found is not None
    assert found.error == pytest.approx((0.1 + 0.4) / 2)
    assert [part.predictions for part in found.bins] == [10] * BINS


def test_bins_weigh_what_is_in_them() -> None:
    """Each bin has one that came true and weighs three, and one that did not and weighs one."""
    weights = np.tile([3.0, 1.0], BINS)
    found = calibration([0.5] * 2 * BINS, [1.0, 0.0] * BINS, weights)
    assert found is not None
    assert [part.real for part in found.bins] == pytest.approx([0.75] * BINS)
    assert found.error == pytest.approx(0.25)


def test_a_flood_of_what_weighs_as_little_together_fills_no_bins() -> None:
    """Every bin is off by a fifth, one up and the next down: bins that were one would be right."""
    predicted = np.linspace(0.3, 0.7, 60)
    real = predicted + np.where(np.arange(60) // 6 % 2, 0.2, -0.2)
    once = calibration(predicted, real)
    times = np.where(np.arange(60) == 30, 500, 1)
    often = calibration(
        np.repeat(predicted, times), np.repeat(real, times), np.repeat(1.0 / times, times)
    )
    assert once is not None and often is not None
    assert once.error == pytest.approx(0.2)
    assert often.error == pytest.approx(0.2)


def test_nothing_said_is_nothing_told() -> None:
    assert calibration([], []) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_bins_hold_every_prediction_once(pairs: list[tuple[float, bool]]) -> None:
    predicted, real = zip(*pairs, strict=True)
    found = calibration(list(predicted), list(map(float, real)))
    assert found is not None
    assert sum(part.predictions for part in found.bins) == len(pairs)
    means = [part.predicted for part in found.bins]
    assert np.all(np.diff(means) >= -1e-12)
    assert 0.0 <= found.error <= 1.0
