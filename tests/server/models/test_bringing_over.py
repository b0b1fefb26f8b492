"""Histories are fed to a new champion after pages, by a thread that is in nobody's way."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.errors import EngineError
from pagecast.server.models import bringing_over
from pagecast.server.models.bringing_over import BringingOver
from pagecast.server.page.stepping_back import NICENESS

NEW: Any = SimpleNamespace(version="new")
PROMPT: Any = object()


class Feeder:
    """Holds what it is given until it may go on."""

    def __init__(self) -> None:
        self.fed: list[str] = []
        self.niceness: int | None = None
        self.may_go_on = threading.Event()
        self.fails = False

    def feed(self, job: Any, stopped: Callable[[], bool]) -> bool:
        if sys.platform == "linux":
            self.niceness = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        while not self.may_go_on.wait(0.001):
            if stopped():
                return False
        if self.fails:
            raise EngineError("made for other prompts")
        self.fed.append(job.key[0])
        return True


@pytest.fixture
def bringing(monkeypatch: pytest.MonkeyPatch) -> Iterator[BringingOver]:
    def prepared(model: Any, user_id: str, *_: Any) -> Any:
        return SimpleNamespace(key=(user_id, model.version))

    monkeypatch.setattr(bringing_over, "prepare_prefix", prepared)
    with ThreadPoolExecutor(1) as preparing:
        bringing = BringingOver(PrefixCache(), preparing)
        bringing._feeder = Feeder()  # type: ignore[assignment]
        yield bringing
        bringing.close()


def feeder_of(bringing: BringingOver) -> Feeder:
    return bringing._feeder  # type: ignore[return-value]


def until_none(bringing: BringingOver) -> None:
    began_s = time.monotonic()
    while len(bringing):
        assert time.monotonic() - began_s < 10
        time.sleep(0.001)


def test_who_waits_already_does_not_wait_twice(bringing: BringingOver) -> None:
    for user_id in ("ada", "ben", "ada"):
        bringing.bring(NEW, user_id, PROMPT, "old")
    feeder_of(bringing).may_go_on.set()
    until_none(bringing)
    assert feeder_of(bringing).fed == ["ada", "ben"]


def test_no_more_than_a_bound_wait(bringing: BringingOver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bringing_over, "BRINGING_MAX", 3)
    for number in range(5):
        bringing.bring(NEW, f"u{number}", PROMPT, "old")
    assert len(bringing) == 3
    feeder_of(bringing).may_go_on.set()
    until_none(bringing)
    bringing.bring(NEW, "u4", PROMPT, "old")
    until_none(bringing)
    assert feeder_of(bringing).fed == ["u0", "u1", "u2", "u4"]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness elsewhere")
def test_it_steps_back(bringing: BringingOver) -> None:
    feeder_of(bringing).may_go_on.set()
    bringing.bring(NEW, "ada", PROMPT, "old")
    until_none(bringing)
    assert feeder_of(bringing).niceness == NICENESS


def test_what_cannot_be_fed_is_told_and_the_next_one_is(bringing: BringingOver) -> None:
    feeder = feeder_of(bringing)
    feeder.fails = True
    feeder.may_go_on.set()
    with capture_logs() as logs:
        bringing.bring(NEW, "ada", PROMPT, "old")
        until_none(bringing)
    assert [(one["event"], one["version"]) for one in logs] == [("history_not_fed", "new")]
    feeder.fails = False
    bringing.bring(NEW, "ada", PROMPT, "old")
    until_none(bringing)
    assert feeder.fed == ["ada"]


def test_whose_history_needs_no_feeding_does_not_wait(
    bringing: BringingOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing_over, "prepare_prefix", lambda *_: None)
    bringing.bring(NEW, "ada", PROMPT, "old")
    until_none(bringing)
    assert feeder_of(bringing).fed == []


def test_closing_waits_for_nobody_who_waits(bringing: BringingOver) -> None:
    for user_id in ("ada", "ben"):
        bringing.bring(NEW, user_id, PROMPT, "old")
    bringing.close()
    bringing.bring(NEW, "eve", PROMPT, "old")
    assert feeder_of(bringing).fed == []
