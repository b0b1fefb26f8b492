"""`pagecast serve --workers 2`: real processes on one port, one of them killed, all drained."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc
import pytest
from grpc import StatusCode
from prometheus_client.parser import text_string_to_metric_families
from server.factories_server import LONG_PAGE, SLOW, House, Page, end_of

from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

pytestmark = pytest.mark.faults

READY_S_MAX = 120.0
CHANNELS = 24
"""Connections, each to either worker by chance: all to one is as likely as 2 ** -23."""


class Workers:
    """The supervisor's process, and what it announced."""

    def __init__(self, process: "subprocess.Popen[str]", facts: dict[str, Any], log: Path) -> None:
        self.process, self.facts, self.log = process, facts, log

    def metric(self, name: str) -> dict[str, float]:
        """The samples of a name by worker."""
        url = f"http://127.0.0.1:{self.facts['metrics_port']}/metrics"
        with urlopen(url, timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return {
            sample.labels.get("worker", ""): sample.value
            for family in families
            for sample in family.samples
            if sample.name == name
        }

    def pids(self) -> dict[int, int]:
        """Of the workers, by number, as the log tells the newest of each."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{"]
        served = [line for line in lines if line.get("event") == "worker_serves"]
        return {line["worker"]: line["pid"] for line in served}


@contextmanager
def workers_of(house: House, tmp_path: Path, *options: str, port: int = 0) -> Iterator[Workers]:
    ready_file, log = tmp_path / "serve.ready", tmp_path / "serve.log"
    ready_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pagecast.cli", "serve", "--workers", "2", "--port", str(port)]
    command += ["--metrics-port", "0", "--state-dir", str(house.paths.root)]
    command += ["--bootstrap-servers", "", "--ready-file", str(ready_file), *options]
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path) as process,
    ):
        try:
            until_s = time.monotonic() + READY_S_MAX
            while not ready_file.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until_s
                time.sleep(0.05)
            yield Workers(process, json.loads(ready_file.read_text()), log)  # type: ignore[arg-type]
        finally:
            process.kill()


def channel_to(workers: Workers) -> grpc.aio.Channel:
    """A connection of its own."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.insecure_channel(workers.facts["address"], options=own)


def stream(channel: grpc.aio.Channel, user_id: str, **fields: Any) -> grpc.aio.UnaryStreamCall:
    request = homepage_pb2.StreamHomepageRequest(user_id=user_id, **fields)
    return homepage_pb2_grpc.HomepageServiceStub(channel).StreamHomepage(request, timeout=60)


async def page(workers: Workers, user_id: str, **fields: Any) -> Page:
    async with channel_to(workers) as channel:
        return Page([message async for message in stream(channel, user_id, **fields)])


async def until(holds: Any, seconds_max: float = READY_S_MAX) -> None:
    until_s = time.monotonic() + seconds_max
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < until_s
        await asyncio.sleep(0.1)


async def test_both_answer_carry_on_each_other_s_pages_and_drain(
    house: House, tmp_path: Path
) -> None:
    house.train_champion(SLOW)
    with workers_of(house, tmp_path) as workers:
        first = [await page(workers, f"u{i}", rows=1) for i in range(CHANNELS)]
        counts = workers.metric("pagecast_time_to_page_seconds_count")
        assert sorted(counts) == ["0", "1"]
        assert min(counts.values()) > 0
        assert sum(counts.values()) == CHANNELS
        # Either worker gets tokens of both.
        for number, begun in enumerate(first):
            token = begun.rows[-1].continuation
            more = await page(workers, f"u{number}", rows=1, continuation=token)
            assert more.started.page_id == begun.started.page_id
        channels = [channel_to(workers) for _ in range(8)]
        calls = [stream(channel, "ada", **LONG_PAGE) for channel in channels]
        for call in calls:
            await call.read()
        workers.process.send_signal(signal.SIGTERM)
        assert await asyncio.gather(*map(end_of, calls)) == [StatusCode.OK] * 8
        for channel in channels:
            await channel.close()
        assert await asyncio.to_thread(workers.process.wait, 20) == 0


async def test_a_killed_worker_is_replaced_and_the_other_goes_on(
    house: House, tmp_path: Path
) -> None:
    house.train_champion()
    with workers_of(house, tmp_path) as workers:
        pids = workers.pids()
        os.kill(pids[0], signal.SIGKILL)
        await until(lambda: list(workers.metric("pagecast_slots_in_use")) == ["1"])
        for number in range(CHANNELS):
            assert (await page(workers, f"u{number}", rows=1)).rows
        await until(lambda: workers.metric("pagecast_workers_serving")[""] == 2)
        now = workers.pids()
        assert now[1] == pids[1]
        assert now[0] != pids[0]
        assert workers.metric("pagecast_worker_restarts_total") == {"0": 1}
        before = workers.metric("pagecast_time_to_page_seconds_count")
        for number in range(CHANNELS):
            assert (await page(workers, f"u{number}", rows=1)).rows
        after = workers.metric("pagecast_time_to_page_seconds_count")
        assert all(after[worker] > before.get(worker, 0) for worker in ("0", "1"))


def test_no_worker_outlives_a_killed_supervisor(house: House, tmp_path: Path) -> None:
    with workers_of(house, tmp_path) as workers:
        pids = workers.pids().values()
    until_s = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/stat").exists() for pid in pids):
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_second_server_on_the_port_is_told_so(house: House, tmp_path: Path) -> None:
    with workers_of(house, tmp_path) as workers:
        port = workers.facts["address"].rpartition(":")[2]
        for many in ("1", "2"):
            command = [sys.executable, "-m", "pagecast.cli", "serve", "--workers", many]
            command += ["--port", port, "--metrics-port", "0", "--state-dir", str(tmp_path / many)]
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert second.returncode == 1
            assert f"port {port} of 127.0.0.1 is taken: choose another, or 0" in second.stderr


async def test_the_key_is_on_no_command_line(house: House, tmp_path: Path) -> None:
    with workers_of(house, tmp_path) as workers:
        pid = workers.pids()[0]
        environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
        (orders,) = [v for v in environment if v.startswith("PAGECAST_WORKER_ORDERS=")]
        key = json.loads(orders.partition("=")[2])["config"]["continuation_key"]
        assert len(key) >= 32
        assert key not in Path(f"/proc/{pid}/cmdline").read_text()
        assert key not in workers.log.read_text()
