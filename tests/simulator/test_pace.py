"""Simulated time waits for real time, and nobody waits for what has failed."""

import threading

from simulator.factories_simulator import MIDNIGHT_MS

from pagecast.simulator.pace import Pace
from pagecast.simulator.world import DAY_MS

TOMORROW_MS = MIDNIGHT_MS + DAY_MS


def test_without_a_speed_every_moment_is_reached() -> None:
    assert Pace(0.0, MIDNIGHT_MS).reached(TOMORROW_MS)


def test_a_moment_is_reached_when_it_has_come() -> None:
    pace = Pace(10.0, MIDNIGHT_MS)
    assert pace.reached(MIDNIGHT_MS + 500)
    assert pace.seconds >= 0.05


def test_who_waits_is_told_of_a_failure_at_once() -> None:
    pace, told = Pace(1.0, MIDNIGHT_MS), list[bool]()
    waiting = threading.Thread(target=lambda: told.append(pace.reached(TOMORROW_MS)), daemon=True)
    waiting.start()
    pace.fail()
    waiting.join(20)
    assert told == [False]
    assert not pace.reached(MIDNIGHT_MS)
