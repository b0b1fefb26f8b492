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


def test_a_resumed_schedule_goes_on_with_its_steps_and_its_time() -> None:
    now_s = 100.0
    schedule = Schedule(steps_max=40, budget_s=10.0, warm_up=0.1, clock=lambda: now_s)
    schedule.resume(step=39, seconds=7.0)
    assert schedule.seconds == 7.0
    assert not schedule.done
    now_s = 103.0
    assert schedule.seconds == 10.0
    assert schedule.done, "its time is up"


def test_the_rate_after_a_pause_is_the_rate_without_it() -> None:
    whole, resumed = (Schedule(steps_max=40, budget_s=1e6, warm_up=0.1) for _ in range(2))
    whole.step = 25
    resumed.resume(step=25, seconds=3600.0)
    assert resumed.rate() == whole.rate()
