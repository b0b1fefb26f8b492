"""What a place of a page is worth: a screen shows a few, the rest has to be scrolled to.

Letters: P places of a page.
"""

import numpy as np
import numpy.typing as npt

ROWS_VISIBLE = 3
ENTITIES_VISIBLE = 5
"""Of 10 entities a row, and of the rows of a page, that are on the screen at once."""


def discount(row_position: int, entity_position: int) -> float:
    """1 / log2(2 + scrolls) of a place, positions from 0.

    Scrolls are whole screens: down, one for every 3 rows above, and sideways, one for every 5
    entities to the left. So what the first screen shows is worth 1, what one scroll shows 0.63.
    """
    scrolls = row_position // ROWS_VISIBLE + entity_position // ENTITIES_VISIBLE
    return float(1.0 / np.log2(2.0 + scrolls))


def discounts(rows: int, entities_per_row: int) -> npt.NDArray[np.float64]:
    """`discount_P` of all places of a page, best first."""
    places = [discount(row, place) for row in range(rows) for place in range(entities_per_row)]
    return np.sort(np.array(places))[::-1]
