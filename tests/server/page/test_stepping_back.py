"""Reading a new champion yields to pages; what serves pages does not."""

import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from engine.factories_engine import TinyModel
from server.factories_server import House, eventually
from structlog.testing import capture_logs

from pagecast.engine.bundles import bundle
from pagecast.server.page import stepping_back
from pagecast.server.page.stepping_back import NICENESS, low_priority_thread, step_back

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness elsewhere")


def niceness(native_id: int | None = None) -> int:
    return os.getpriority(os.PRIO_PROCESS, native_id or threading.get_native_id())


@on_linux
def test_only_the_thread_that_steps_back_has_a_low_priority() -> None:
    before = niceness()
    with low_priority_thread("steps-back") as thread:
        assert thread.submit(niceness).result() == NICENESS
    assert niceness() == before


@on_linux
async def test_a_server_reads_a_new_champion_with_a_low_priority_and_the_first_one_without(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, int] = {}
    open_bundle = bundle.open_bundle

    def noted(path: Path) -> Any:
        read[path.name] = niceness()
        return open_bundle(path)

    monkeypatch.setattr(bundle, "open_bundle", noted)
    first = house.train_champion()
    async with house.serve() as served:
        second = house.train(TinyModel(seed=1))
        house.registry.promote(second, by="test")
        await eventually(lambda: served.metric("pagecast_model_info", version=second) == 1)
        (decoding,) = (one for one in threading.enumerate() if one.name == "pagecast-decode")
        assert niceness(decoding.native_id) == niceness()
    assert read == {first: niceness(), second: NICENESS}


def test_where_threads_have_no_niceness_work_goes_on_and_that_is_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stepping_back.sys, "platform", "darwin")
    with capture_logs() as logs:
        step_back()
    assert [one["event"] for one in logs] == ["thread_does_not_step_back"]
