"""Step 1 at the door: through a real channel, every RPC ends in a status that says why."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from factories import play
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from pagecast.server.metrics import Metrics
from pagecast.server.rpc.errors import Refusal
from pagecast.server.rpc.interceptor import CallsInFlight, RequestInterceptor
from pagecast.server.rpc.validation import checks_itself
from pagecast.v1 import feature_pb2, feature_pb2_grpc, homepage_pb2, homepage_pb2_grpc

METHOD = "/pagecast.v1.HomepageService/StreamHomepage"


class Pages(homepage_pb2_grpc.HomepageServiceServicer):
    """Streams `rows` messages, slowly; remembers how its streams ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def StreamHomepage(
        self, request: homepage_pb2.StreamHomepageRequest, context: Any
    ) -> AsyncIterator[homepage_pb2.StreamHomepageResponse]:
        try:
            for sequence in range(request.rows):
                yield homepage_pb2.StreamHomepageResponse(sequence=sequence)
                await asyncio.sleep(0.01)
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


class Features(feature_pb2_grpc.FeatureServiceServicer):
    async def GetHistory(
        self, request: feature_pb2.GetHistoryRequest, context: Any
    ) -> feature_pb2.GetHistoryResponse:
        if request.user_id == "bug":
            raise ZeroDivisionError("a secret of u1")
        raise Refusal(
            code=grpc.StatusCode.NOT_FOUND, reason="USER_UNKNOWN", message="no events of this user"
        )

    async def PublishEvents(
        self, requests: AsyncIterator[feature_pb2.PublishEventsRequest], context: Any
    ) -> feature_pb2.PublishEventsResponse:
        self.received = [len(request.events) async for request in requests]
        return feature_pb2.PublishEventsResponse(events_published=sum(self.received))


class LenientFeatures(Features):
    @checks_itself
    async def PublishEvents(
        self, requests: AsyncIterator[feature_pb2.PublishEventsRequest], context: Any
    ) -> feature_pb2.PublishEventsResponse:
        return await super().PublishEvents(requests, context)


async def echo(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    async for request in requests:
        yield request


BOTH_WAYS = grpc.method_handlers_generic_handler(
    "pagecast.Test",
    {
        "Echo": grpc.stream_stream_rpc_method_handler(
            echo,
            feature_pb2.GetHistoryRequest.FromString,
            feature_pb2.GetHistoryRequest.SerializeToString,
        )
    },
)


class Door:
    def __init__(self) -> None:
        self.metrics, self.calls, self.pages = Metrics(), CallsInFlight(), Pages()
        self.features = Features()

    def rejected(self, reason: str) -> float | None:
        return self.metrics.registry.get_sample_value("pagecast_rejected_total", {"reason": reason})

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[grpc.aio.Channel]:
        server = grpc.aio.server(interceptors=[RequestInterceptor(self.metrics, self.calls)])
        homepage_pb2_grpc.add_HomepageServiceServicer_to_server(self.pages, server)
        feature_pb2_grpc.add_FeatureServiceServicer_to_server(self.features, server)
        server.add_generic_rpc_handlers([BOTH_WAYS])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
        await server.stop(None)


async def test_a_broken_rule_names_the_field() -> None:
    async with Door().channel() as channel:
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.StreamHomepage(homepage_pb2.StreamHomepageRequest(rows=3)).read()
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(failed.value)
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "user_id"


async def test_bytes_that_are_no_message_are_invalid_not_unknown() -> None:
    door = Door()
    async with door.channel() as channel:
        call = channel.unary_stream(METHOD, None, None)(b"\xff\xff\xff")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert door.rejected("MALFORMED_REQUEST") == 1


async def test_every_message_of_a_clients_stream_is_checked_when_it_is_read() -> None:
    event = play("ada", "heat")
    good = feature_pb2.PublishEventsRequest(events=[event, event])
    async with Door().channel() as channel:
        publish = feature_pb2_grpc.FeatureServiceStub(channel).PublishEvents
        assert (await publish(iter([good, good]))).events_published == 4
        event.user_id = ""
        bad = feature_pb2.PublishEventsRequest(events=[event])
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await publish(iter([good, bad, good]))
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "events[0].user_id" in failed.value.details()


async def test_so_is_every_message_of_a_stream_both_ways() -> None:
    async with Door().channel() as channel:
        call = channel.stream_stream(
            "/pagecast.Test/Echo",
            feature_pb2.GetHistoryRequest.SerializeToString,
            feature_pb2.GetHistoryRequest.FromString,
        )()
        await call.write(feature_pb2.GetHistoryRequest(user_id="ada"))
        assert (await call.read()).user_id == "ada"
        await call.write(feature_pb2.GetHistoryRequest())
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "user_id" in failed.value.details()


async def test_a_method_that_checks_itself_is_left_alone() -> None:
    event = play("ada", "heat")
    event.user_id = ""
    bad = feature_pb2.PublishEventsRequest(events=[event])
    door = Door()
    door.features = LenientFeatures()
    async with door.channel() as channel:
        publish = feature_pb2_grpc.FeatureServiceStub(channel).PublishEvents
        assert (await publish(iter([bad]))).events_published == 1


async def test_a_refusal_becomes_its_status() -> None:
    door = Door()
    async with door.channel() as channel:
        stub = feature_pb2_grpc.FeatureServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.GetHistory(feature_pb2.GetHistoryRequest(user_id="u1"))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(failed.value).details[0].Unpack(info)
    assert (info.reason, info.domain) == ("USER_UNKNOWN", "pagecast")
    assert door.rejected("USER_UNKNOWN") == 1


async def test_an_unexpected_error_is_internal_and_tells_nothing() -> None:
    door = Door()
    async with door.channel() as channel:
        stub = feature_pb2_grpc.FeatureServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await stub.GetHistory(feature_pb2.GetHistoryRequest(user_id="bug"))
    assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert "u1" not in failed.value.details()
    assert door.rejected("INTERNAL") == 1


async def test_a_handler_is_wrapped_once_and_its_successor_anew() -> None:
    door, method = Door(), "/pagecast.Test/Echo"
    interceptor = RequestInterceptor(door.metrics, door.calls)
    called: Any = SimpleNamespace(method=method, invocation_metadata=())

    async def wrapped(handler: Any) -> Any:
        async def find(_details: grpc.HandlerCallDetails) -> Any:
            return handler

        return await interceptor.intercept_service(find, called)

    one, other = (grpc.stream_stream_rpc_method_handler(echo) for _ in range(2))
    first = await wrapped(one)
    assert first is not one
    assert await wrapped(one) is first
    assert await wrapped(other) is not first
    assert await wrapped(None) is None


async def test_an_unknown_method_is_unimplemented() -> None:
    async with Door().channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/pagecast.v1.HomepageService/Nothing", None, None)(b"")
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_cancel_reaches_the_handler_and_the_call_is_no_longer_in_flight() -> None:
    door = Door()
    async with door.channel() as channel:
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)
        call = stub.StreamHomepage(homepage_pb2.StreamHomepageRequest(user_id="u", rows=40))
        await call.read()
        call.cancel()
        await asyncio.wait_for(door.calls.wait_until_none(), 1)
    assert door.pages.ended in (["CancelledError"], ["GeneratorExit"])


async def test_a_deadline_ends_the_handler_and_what_was_sent_stays_sent() -> None:
    door = Door()
    async with door.channel() as channel:
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)
        request = homepage_pb2.StreamHomepageRequest(user_id="u", rows=40)
        call = stub.StreamHomepage(request, timeout=0.15)
        received: list[int] = []
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            while (message := await call.read()) is not grpc.aio.EOF:
                received.append(message.sequence)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(door.calls.wait_until_none(), 1)
    assert received == list(range(len(received)))
    assert 0 < len(received) < 40
    assert door.pages.ended in (["CancelledError"], ["GeneratorExit"])
