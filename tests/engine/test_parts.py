"""How long parts of some work took, and pauses between them."""

import time

import pytest

from pagecast.engine.parts import Parts


def test_a_part_that_comes_again_is_counted_together_and_pauses_are_not() -> None:
    rested: list[float] = []

    def rest(took_s: float) -> None:
        rested.append(took_s)
        time.sleep(0.05)

    parts = Parts(rest)
    for _ in range(2):
        with parts.part("read"):
            pass
    assert parts.wall_s["read"] == pytest.approx(sum(rested))
    assert len(rested) == 2
    assert parts.cpu_s["read"] < 0.05


def test_behind_a_part_that_failed_nobody_rests() -> None:
    rested: list[float] = []
    parts = Parts(rested.append)
    with pytest.raises(ValueError, match="no graph"), parts.part("graphs"):
        raise ValueError("no graph")
    assert rested == []
    assert list(parts.wall_s) == ["graphs"]
