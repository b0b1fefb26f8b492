import time

import pytest

from pagecast.trainer.schedule import STEPS_BEFORE_PLANNING, Schedule


def test_the_rate_warms_up_and_ends_at_zero() -> None:
    schedule = Schedule(steps_max=100, budget_s=1e6, warm_up=0.1)
    rates = []
    while not schedule.done:
        rates.append(schedule.rate())
        schedule.step += 1
    assert len(rates) == 100
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)


def test_time_has_no_influence_while_the_budget_suffices() -> None:
    def rates(pause_s: float) -> list[float]:
        schedule = Schedule(steps_max=40, budget_s=1e6, warm_up=0.1)
        seen = []
        for _ in range(40):
            seen.append(schedule.rate())
            schedule.step += 1
            time.sleep(pause_s)
        return seen

    assert rates(0.0) == rates(0.001)


def test_a_short_budget_ends_the_run_with_a_small_rate() -> None:
    schedule = Schedule(steps_max=10**9, budget_s=0.3, warm_up=0.05)
    rate = 1.0
    while not schedule.done:
        rate = schedule.rate()
        schedule.step += 1
        time.sleep(0.002)
    assert 0.3 <= schedule.seconds < 1.0
    assert schedule.step > STEPS_BEFORE_PLANNING
    assert rate < 0.1
    assert schedule.eta_s == 0.0
