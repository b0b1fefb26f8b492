import time

import pytest

from pagecast.trainer.fitting.schedule import STEPS_BEFORE_PLANNING, Schedule


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


def test_post_training_is_the_last_share_with_a_rise_and_a_fall_of_its_own() -> None:
    schedule = Schedule(steps_max=100, budget_s=1e6, warm_up=0.1, post_share=0.4)
    rates, begun = [], []
    while not schedule.done:
        if schedule.post_due:
            schedule.post = True
            begun.append(schedule.step)
        rates.append(schedule.rate())
        schedule.step += 1
    assert begun == [60]
    assert rates[59] == pytest.approx(0.0, abs=1e-9)
    assert rates[60:64] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[99] == pytest.approx(0.0, abs=1e-9)


def test_without_post_training_none_is_ever_due() -> None:
    schedule = Schedule(steps_max=2, budget_s=1e6, warm_up=0.1)
    schedule.step = 2
    assert not schedule.post_due


def test_time_ends_pretraining_too_and_what_has_begun_goes_on() -> None:
    now_s = 0.0
    schedule = Schedule(
        steps_max=10**9, budget_s=100.0, warm_up=0.1, post_share=0.5, clock=lambda: now_s
    )
    schedule.step, now_s = 50, 49.0
    assert not schedule.post_due
    now_s = 51.0
    assert schedule.post_due
    schedule.resume(step=50, seconds=40.0, post=True)
    assert not schedule.post_due
    assert schedule.rate() == 0.0, "faster again: it waits at the beginning of its warm-up"
