"""Workers are started, started again, given up and ended; here they are processes that do nothing.

What real ones do together is in `test_workers_faults`.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.rpc.listening import Listening, PortTakenError
from pagecast.server.workers import supervisor as workers
from pagecast.server.workers.config import WORKERS_MAX, WorkersConfig
from pagecast.server.workers.shared_port import held_port
from pagecast.server.workers.supervisor import WorkersFailed, serve_workers

SCRIPT = Path(__file__).parents[1] / "fake_worker.py"
HOURS = 3600.0


def workers_config(folder: Path, serves_s: float, count: int = 2, **server: Any) -> WorkersConfig:
    fields = {"port": 0, "metrics_port": 0} | server
    return WorkersConfig(
        server=ServerConfig(state=StatePaths(root=folder), **fields),
        workers=count,
        command=[sys.executable, "-S", str(SCRIPT), str(folder), str(serves_s)],
    )


def started(folder: Path) -> list[dict[str, Any]]:
    """What each worker was told, and its pid, in the order of their starts."""
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def until_started(folder: Path, count: int) -> None:
    until_s = time.monotonic() + 10
    while len(started(folder)) < count:
        assert time.monotonic() < until_s
        await asyncio.sleep(0.01)


async def test_all_are_told_one_port_and_one_key(tmp_path: Path) -> None:
    ready: asyncio.Queue[Listening] = asyncio.Queue()
    config = workers_config(tmp_path, HOURS, count=3, prefix_cache_mb=100)
    serving = asyncio.create_task(serve_workers(config, ready.put_nowait))
    listening = await ready.get()
    told = [each["config"] for each in started(tmp_path)]
    assert sorted(each["number"] for each in started(tmp_path)) == [0, 1, 2]
    assert {(each["port"], each["share_port"]) for each in told} == {(listening.port, True)}
    (key,) = {each["continuation_key"] for each in told}
    assert len(key) >= 32
    assert {each["prefix_cache_mb"] for each in told} == {34}
    assert {each["slots_max"] for each in told} == {config.server.slots_max}
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert running([each["pid"] for each in started(tmp_path)]) == []


async def test_a_key_that_is_configured_stays(tmp_path: Path) -> None:
    key = "k" * 32
    ready = asyncio.Event()
    config = workers_config(tmp_path, HOURS, continuation_key=key)
    serving = asyncio.create_task(serve_workers(config, lambda _: ready.set()))
    await ready.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert {each["config"]["continuation_key"] for each in started(tmp_path)} == {key}


async def test_a_killed_one_is_replaced_and_the_other_left_alone(tmp_path: Path) -> None:
    ready = asyncio.Event()
    serving = asyncio.create_task(
        serve_workers(workers_config(tmp_path, HOURS), lambda _: ready.set())
    )
    await ready.wait()
    killed, other = started(tmp_path)
    os.kill(killed["pid"], signal.SIGKILL)
    await until_started(tmp_path, 3)
    replaced = started(tmp_path)[2]
    assert replaced["number"] == killed["number"]
    assert replaced["config"] == killed["config"]
    assert running([other["pid"]])
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


async def test_one_that_crashes_again_and_again_is_given_up_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PAUSE_S", 0.01)
    monkeypatch.setattr(workers, "CRASHES_MAX", 3)
    with pytest.raises(WorkersFailed, match="ended with code 7, 3 times in a row"):
        await serve_workers(workers_config(tmp_path, 0.3), lambda _: None)
    assert 3 <= len(started(tmp_path)) <= 6
    assert running([each["pid"] for each in started(tmp_path)]) == []


async def test_who_served_for_long_has_not_crashed_in_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PAUSE_S", 0.01)
    monkeypatch.setattr(workers, "CRASHES_MAX", 2)
    monkeypatch.setattr(workers, "CALM_S", 0.0)
    serving = asyncio.create_task(
        serve_workers(workers_config(tmp_path, 0.05, count=1), lambda _: None)
    )
    await until_started(tmp_path, 4)
    os.kill(os.getpid(), signal.SIGTERM)
    await serving


async def test_one_that_ends_before_it_ever_served_ends_them_all(tmp_path: Path) -> None:
    with pytest.raises(WorkersFailed, match=r"worker \d ended with code 7 before it served"):
        await serve_workers(workers_config(tmp_path, -1), lambda _: pytest.fail("not ready"))
    assert running([each["pid"] for each in started(tmp_path)]) == []


async def test_one_that_never_serves_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "READY_S_MAX", 0.2)
    config = workers_config(tmp_path, HOURS, count=1)
    hangs = [sys.executable, "-Sc", "import time; time.sleep(3600)"]
    with pytest.raises(WorkersFailed, match="SIGKILL before it served"):
        await serve_workers(
            WorkersConfig(server=config.server, workers=1, command=hangs), lambda _: None
        )


async def test_one_that_does_not_end_is_killed_after_the_grace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "KILL_AFTER_S", 0.1)
    config = workers_config(tmp_path, HOURS, grace_seconds=0.1)
    deaf = "import os, json, signal, time; signal.signal(15, signal.SIG_IGN);"
    deaf += "os.write(json.loads(os.environ['PAGECAST_WORKER_ORDERS'])['pipe'], b'9\\n');"
    command = [sys.executable, "-Sc", deaf + "time.sleep(3600)"]
    ready = asyncio.Event()
    deaf_config = WorkersConfig(server=config.server, workers=2, command=command)
    serving = asyncio.create_task(serve_workers(deaf_config, lambda _: ready.set()))
    await ready.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)


async def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with held_port("127.0.0.1", 0) as port, pytest.raises(PortTakenError, match=f"port {port}"):
        await serve_workers(workers_config(tmp_path, HOURS, port=port), lambda _: None)
    assert started(tmp_path) == []


@pytest.mark.parametrize("count", [0, WORKERS_MAX + 1])
def test_a_number_that_cannot_be_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match=f"workers is {count}, must be from 1 to {WORKERS_MAX}"):
        workers_config(tmp_path, HOURS, count=count)
