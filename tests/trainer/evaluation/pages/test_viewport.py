import math

import pytest

from pagecast.trainer.evaluation.pages.viewport import discount, discounts


def test_the_first_screen_is_worth_one() -> None:
    assert {discount(row, place) for row in range(3) for place in range(5)} == {1.0}


@pytest.mark.parametrize(("row", "place", "scrolls"), [(3, 0, 1), (0, 5, 1), (3, 5, 2), (6, 9, 3)])
def test_every_scroll_down_or_sideways_discounts(row: int, place: int, scrolls: int) -> None:
    assert discount(row, place) == pytest.approx(1 / math.log2(2 + scrolls))


def test_the_best_places_come_first() -> None:
    discount_P = discounts(6, 10)
    assert len(discount_P) == 60
    assert discount_P[:15].tolist() == [1.0] * 15
    assert (discount_P[:-1] >= discount_P[1:]).all()
