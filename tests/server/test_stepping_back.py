"""What follows the registry steps back behind pages; what serves them does not."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from server.factories_server import House, eventually
from structlog.testing import capture_logs

from pagecast.server import stepping_back
from pagecast.server.periodic import Periodic
from pagecast.server.stepping_back import NICENESS, step_back

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness elsewhere")


def niceness(native_id: int | None = None) -> int:
    return os.getpriority(os.PRIO_PROCESS, native_id or threading.get_native_id())


@on_linux
def test_only_the_thread_that_steps_back_has_a_low_priority() -> None:
    before = niceness()
    with ThreadPoolExecutor(1, initializer=step_back) as thread:
        assert thread.submit(niceness).result() == NICENESS
    assert niceness() == before


@on_linux
@pytest.mark.parametrize("steps_back", [True, False])
def test_periodic_work_steps_back_if_it_is_told_to(steps_back: bool) -> None:
    found: list[int] = []
    done = threading.Event()

    def look() -> None:
        found.append(niceness())
        done.set()

    periodic = Periodic("looking", 0.001, look, steps_back=steps_back)
    assert done.wait(5)
    periodic.stop()
    assert found[0] == (NICENESS if steps_back else niceness())


@on_linux
async def test_a_server_steps_back_with_its_followers_only(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        await served.page("ada")

        def of(name: str) -> int:
            (thread,) = (each for each in threading.enumerate() if each.name == name)
            return niceness(thread.native_id)

        await eventually(lambda: of("champion-follower") == NICENESS)
        await eventually(lambda: of("arm-follower") == NICENESS)
        assert of("pagecast-decode") == of("popularity-refresh") == niceness()


def test_where_threads_have_no_niceness_work_goes_on_and_that_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stepping_back.sys, "platform", "darwin")
    with capture_logs() as logs:
        step_back()
    assert [one["event"] for one in logs] == ["thread_does_not_step_back"]
