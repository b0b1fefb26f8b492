"""Signals: the first one drains a server, the second one forces it (faults.md, test 18)."""

import asyncio
import os
import signal
import time
import urllib.request

import grpc
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from server.factories_processes import server_process
from server.factories_server import LONG_PAGE, SLOW, House, end_of

from pagecast.server.main import serve
from pagecast.server.rpc.listening import Listening
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc


def stream(channel: grpc.aio.Channel, user_id: str, **fields: int) -> grpc.aio.UnaryStreamCall:
    request = homepage_pb2.StreamHomepageRequest(user_id=user_id, **fields)
    return homepage_pb2_grpc.HomepageServiceStub(channel).StreamHomepage(request, timeout=60)


async def until_accepted(calls: int, metrics_port: int) -> None:
    """Until so many pages are made, being made, or waiting."""
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    names = ("slots_in_use", "slots_waiting", "time_to_page_seconds_count")
    accepted = 0
    while accepted < calls:
        answer = await asyncio.to_thread(urllib.request.urlopen, url)
        numbers = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines())
        accepted = sum(int(float(numbers[f"pagecast_{name}"])) for name in names)


async def test_sigterm_lets_a_hundred_streams_finish_and_exits_0(house: House) -> None:
    house.train_champion()
    with server_process(house) as (process, target, metrics_port):
        async with grpc.aio.insecure_channel(target) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            calls = [stream(channel, f"u{i}", **LONG_PAGE) for i in range(100)]
            await until_accepted(100, metrics_port)
            process.send_signal(signal.SIGTERM)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            ends = await asyncio.gather(*map(end_of, calls))
        assert ends == [StatusCode.OK] * 100
        assert await asyncio.to_thread(process.wait, 20) == 0


async def test_a_second_signal_forces(house: House) -> None:
    house.train_champion(SLOW)
    started: asyncio.Queue[Listening] = asyncio.Queue()
    config = house.config(slots_max=1, waiting_max=200, grace_seconds=60.0)
    serving = asyncio.create_task(serve(config, started.put_nowait))
    listening = await started.get()
    async with grpc.aio.insecure_channel(listening.target) as channel:
        calls = [stream(channel, f"u{i}", **LONG_PAGE) for i in range(100)]
        await until_accepted(100, listening.metrics_port)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)
        began_s = time.monotonic()
        ends = await asyncio.gather(*map(end_of, calls))
        await serving
    assert StatusCode.UNAVAILABLE in ends
    assert time.monotonic() - began_s < config.grace_seconds / 2
