"""A service added without naming its methods answers like any other."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pagecast.server.rpc.unnamed_methods import UnnamedMethods

CALLS = 5


async def test_its_methods_are_found_and_no_call_waits_for_each_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """grpc.aio waits with `asyncio.wait` for the next call of all methods it was told of."""
    waited_for: list[int] = []
    wait = asyncio.wait

    def counting(futures: Any, **how: Any) -> Any:
        waited_for.append(len(futures))
        return wait(futures, **how)

    monkeypatch.setattr("asyncio.wait", counting)
    server = grpc.aio.server()
    servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
    stands_for: Any = UnnamedMethods(server)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, stands_for)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            for _ in range(CALLS):
                answer = await check(health_pb2.HealthCheckRequest())
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await channel.unary_unary("/grpc.health.v1.Health/Nothing", None, None)(b"")
            assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(None)
    assert len(waited_for) > CALLS
    assert set(waited_for) == {1}
