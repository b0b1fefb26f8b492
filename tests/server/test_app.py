"""The server's doors: health, reflection, metrics, ports, and the drain."""

import asyncio
import time
import urllib.request
from typing import Any

import grpc
import pytest
from factories import free_port
from grpc import StatusCode
from grpc.aio import EOF, AioRpcError
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from server.factories_server import LONG_PAGE, SLOW, House, Page, end_of

from pagecast.server.app import PagecastServer
from pagecast.server.rpc.listening import PortTakenError
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

SERVING, NOT_SERVING = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)


@pytest.mark.parametrize("service", ["", "pagecast.v1.HomepageService", "pagecast.v1.ModelService"])
async def test_health_is_on(house: House, service: str) -> None:
    async with house.serve() as served:
        stub = health_pb2_grpc.HealthStub(served.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == SERVING
        with pytest.raises(AioRpcError) as failed:
            await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert failed.value.code() is StatusCode.NOT_FOUND


async def test_reflection_is_on(house: House) -> None:
    async with house.serve() as served:
        stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        )
        listed = {s.name for s in (await call.read()).list_services_response.service}
    assert listed == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "pagecast.v1.FeatureService",
        "pagecast.v1.HomepageService",
        "pagecast.v1.ModelService",
        "pagecast.v1.PredictionService",
        "pagecast.v1.ExperimentService",
        "pagecast.v1.TrainingService",
    }


async def test_metrics_have_the_names_of_the_design(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        page = await served.page("ada")
        url = f"http://127.0.0.1:{served.metrics_port}/metrics"
        text = (await asyncio.to_thread(urllib.request.urlopen, url)).read().decode()
    for name in (
        "pagecast_time_to_first_row_seconds_count 1.0",
        "pagecast_time_to_page_seconds_count 1.0",
        f"pagecast_entity_decode_seconds_count {len(page.rows)}.0",
        "pagecast_slots_in_use 0.0",
        'pagecast_model_swaps_total{outcome="swapped"} 1.0',
        "pagecast_model_info{",
        "process_resident_memory_bytes",
    ):
        assert name in text


async def test_a_port_that_is_taken_is_named(house: House) -> None:
    taken = free_port()
    async with house.serve(port=taken) as served:
        with pytest.raises(PortTakenError, match=f"port {taken}"):
            await PagecastServer(house.config(port=taken)).start()
        with pytest.raises(PortTakenError, match="metrics_port"):
            await PagecastServer(house.config(metrics_port=served.metrics_port)).start()


def stream(channel: grpc.aio.Channel) -> Any:
    request = homepage_pb2.StreamHomepageRequest(user_id="ada", **LONG_PAGE)
    return homepage_pb2_grpc.HomepageServiceStub(channel).StreamHomepage(request, timeout=20)


async def test_a_drain_says_so_first_then_lets_streams_finish(house: House) -> None:
    house.train_champion(SLOW)
    server = PagecastServer(house.config())
    listening = await server.start()
    async with grpc.aio.insecure_channel(listening.target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        call = stream(channel)
        messages = [await call.read()]
        draining = asyncio.create_task(server.drain(asyncio.Event()))
        assert (await watch.read()).status == NOT_SERVING
        while (message := await call.read()) is not EOF:
            messages.append(message)
        assert Page(messages).completed.finish_reason
        assert await call.code() is StatusCode.OK
        await draining
        with pytest.raises(AioRpcError) as failed:
            await stream(channel).read()
    assert failed.value.code() is StatusCode.UNAVAILABLE


async def test_a_drain_waits_for_pages_not_for_health_watchers(house: House) -> None:
    server = PagecastServer(house.config(grace_seconds=30))
    listening = await server.start()
    async with grpc.aio.insecure_channel(listening.target) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        await watch.read()
        began_s = time.monotonic()
        await server.drain(asyncio.Event())
    assert time.monotonic() - began_s < 5


async def test_pages_that_outlive_the_grace_are_cut(house: House) -> None:
    house.train_champion(SLOW)
    server = PagecastServer(house.config(grace_seconds=0.0, slots_max=1, waiting_max=200))
    listening = await server.start()
    async with grpc.aio.insecure_channel(listening.target) as channel:
        first = stream(channel)
        await first.read()
        calls = [first, *(stream(channel) for _ in range(99))]
        draining = asyncio.create_task(server.drain(asyncio.Event()))
        ends = await asyncio.gather(*map(end_of, calls))
        await draining
    assert StatusCode.UNAVAILABLE in ends
