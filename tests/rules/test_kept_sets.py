"""Sets are worked out once, and no more are kept than there is room for."""

import numpy as np
import pytest

from pagecast.rules import bitsets
from pagecast.rules.kept_sets import KeptSets


def test_a_set_is_worked_out_once() -> None:
    kept = KeptSets(2)
    first_W = kept.get("a", lambda: bitsets.empty(70))
    assert kept.get("a", lambda: pytest.fail("it is kept")) is first_W


def test_the_one_kept_longest_makes_room() -> None:
    kept = KeptSets(2)
    for key in ("a", "b", "c"):
        kept.get(key, lambda: bitsets.empty(70))
    assert len(kept) == 2
    kept.get("c", lambda: pytest.fail("it is kept"))
    anew_W = bitsets.of(np.array([3]), 70)
    assert kept.get("a", lambda: anew_W) is anew_W


def test_nobody_writes_to_what_is_kept() -> None:
    kept_W = KeptSets(1).get("a", lambda: bitsets.empty(70))
    with pytest.raises(ValueError, match="read-only"):
        kept_W |= kept_W
