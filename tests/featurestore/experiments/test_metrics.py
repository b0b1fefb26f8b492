"""What a user counts for, and how much at most."""

import pytest

from pagecast.featurestore.experiments.assignment import DAY_MS
from pagecast.featurestore.experiments.metrics import bounds_of, pages_max
from pagecast.featurestore.pages.reward import Outcome, RewardConfig


def test_bounds_are_of_a_day_and_grow_with_the_period() -> None:
    assert bounds_of(DAY_MS, RewardConfig()) == pytest.approx([40.0, 100.0, 20.0])
    assert bounds_of(DAY_MS // 24, RewardConfig()) == pytest.approx([40.0, 100.0, 20.0])
    assert bounds_of(28 * DAY_MS, RewardConfig()) == pytest.approx([1120.0, 2800.0, 560.0])
    assert [pages_max(days * DAY_MS // 2) for days in (1, 2, 56)] == [100, 100, 2800]


def test_the_bound_of_the_reward_is_in_the_tables_own_unit() -> None:
    tenfold = RewardConfig(table={name: 10 * worth for name, worth in RewardConfig().table.items()})
    assert bounds_of(DAY_MS, tenfold)[0] == pytest.approx(400.0)
    severe = RewardConfig(table={**RewardConfig().table, Outcome.HIDDEN: -5.0})
    assert bounds_of(DAY_MS, severe)[0] == pytest.approx(100.0)
