"""What may be placed next in a row."""

import numpy as np

from pagecast.rules.entity_mask import EntityMask


def scores(mask: EntityMask) -> list[float]:
    return mask.apply(np.arange(4, dtype=np.float32)).tolist()


def test_all_are_allowed_but_the_closed() -> None:
    mask = EntityMask(4)
    assert scores(mask) == [0, 1, 2, 3]
    mask.close(2)
    assert np.flatnonzero(mask.mask_C).tolist() == [0, 1, 3]
    assert scores(mask) == [0, 1, -np.inf, 3]


def test_many_are_closed_at_once_and_nothing_opens_again() -> None:
    mask = EntityMask(4)
    mask.close(1)
    mask.close_all(np.array([True, False, False, False]))
    mask.close_all(np.array([False, False, False, True]))
    assert np.flatnonzero(mask.mask_C).tolist() == [2]
    assert scores(mask) == [-np.inf, -np.inf, 2, -np.inf]


def test_one_may_be_the_only_one_and_the_others_stay_open() -> None:
    mask = EntityMask(4)
    mask.only = 2
    assert np.flatnonzero(mask.mask_C).tolist() == [2]
    assert scores(mask) == [-np.inf, -np.inf, 2, -np.inf]
    assert mask.is_open(1)
    assert not mask.allows(1)
