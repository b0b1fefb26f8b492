"""FeatureService.PublishEvents: acknowledged means that Kafka has it."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from eventlog.factories_eventlog import EXTERNAL, read_all
from factories import START_MS, free_port, play
from google.protobuf.message import Message
from server.factories_server import details_of, eventually

from pagecast.eventlog.admin import ensure_topics
from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.topics import INTERACTIONS
from pagecast.featurestore.state import StatePaths
from pagecast.server.app import PagecastServer
from pagecast.server.config import ServerConfig
from pagecast.server.events.publish import MESSAGE_EVENTS_MAX, RETRY_DELAY_MS
from pagecast.server.events.publishing import IN_FLIGHT_EVENTS_MAX
from pagecast.v1 import events_pb2, feature_pb2, feature_pb2_grpc

pytestmark = pytest.mark.skipif(bool(EXTERNAL), reason="stops the broker")

Request = feature_pb2.PublishEventsRequest

TRIES_MAX = 5
"""Of a client that is told to try again: a broker has been back for seconds by then."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(log=tmp_path / "broker.log") as running:
        ensure_topics(running.bootstrap_servers)
        yield running


class Door:
    """A server without a catalog, as a client that publishes sees it."""

    def __init__(self, server: PagecastServer, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.stub = feature_pb2_grpc.FeatureServiceStub(channel)

    async def publish(
        self, *messages: Sequence[events_pb2.InteractionEvent], timeout_s: float = 20.0
    ) -> int:
        requests = [Request(events=events) for events in messages]
        answer = await self.stub.PublishEvents(iter(requests), timeout=timeout_s)
        return answer.events_published

    async def refused(
        self, *messages: Sequence[events_pb2.InteractionEvent], timeout_s: float = 20.0
    ) -> tuple[grpc.StatusCode, dict[str, Any]]:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.publish(*messages, timeout_s=timeout_s)
        return failed.value.code(), details_of(failed.value)

    def metric(self, name: str, **labels: str) -> float:
        return self.server.metrics.registry.get_sample_value(name, labels) or 0.0

    @property
    def unacknowledged(self) -> float:
        return self.metric("pagecast_events_unacknowledged")


@asynccontextmanager
async def serving(tmp_path: Path, bootstrap_servers: str) -> AsyncIterator[Door]:
    paths = StatePaths(root=tmp_path / "state").create()
    server = PagecastServer(
        ServerConfig(state=paths, port=0, metrics_port=0, bootstrap_servers=bootstrap_servers)
    )
    listening = await server.start()
    try:
        async with grpc.aio.insecure_channel(listening.target) as channel:
            yield Door(server, channel)
    finally:
        await server.drain(asyncio.Event())


def plays(count: int, user_id: str = "ada", start: int = 0) -> list[events_pb2.InteractionEvent]:
    return [play(user_id, f"m{i}", START_MS + i) for i in range(start, start + count)]


async def logged(broker: EmbeddedBroker, count: int) -> list[events_pb2.InteractionEvent]:
    records = await asyncio.to_thread(read_all, broker.bootstrap_servers, INTERACTIONS, count)
    events = [events_pb2.InteractionEvent.FromString(record.value) for record in records]
    assert [record.key for record in records] == [event.user_id.encode() for event in events]
    return events


def field_of(details: dict[str, Any]) -> str:
    [violation] = details["BadRequest"].field_violations
    assert violation.description
    return str(violation.field)


async def test_what_is_answered_is_in_kafka_in_order(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        assert await door.publish(plays(3), [play("bob", "m0")], plays(500, start=3)) == 504
        assert door.metric("pagecast_events_published_total", outcome="acknowledged") == 504
        assert door.unacknowledged == 0
    events = await logged(broker, 504)
    assert [e for e in events if e.user_id == "ada"] == plays(503)
    assert [e for e in events if e.user_id == "bob"] == [play("bob", "m0")]


async def test_a_record_is_what_a_producer_of_the_backend_would_have_sent(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        await door.publish(plays(1))
    [record] = await asyncio.to_thread(read_all, broker.bootstrap_servers, INTERACTIONS, 1)
    assert record.headers["ce_id"].decode() == plays(1)[0].event_id
    assert record.headers["ce_source"] == b"pagecast/server/publish"


async def test_a_stream_without_messages_publishes_nothing(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        assert await door.publish() == 0


def broken(kind: str) -> events_pb2.InteractionEvent:
    event = play("ada", "heat")
    match kind:
        case "rule":
            event.play.entity_id = ""
        case "future":
            event.occurred_at.FromMilliseconds(4_000_000_000_000)
        case "order":
            event.user_forgotten.SetInParent()
        case "empty":
            event.Clear()
    return event


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("rule", "events[2].play.entity_id"),
        ("future", "events[2].occurred_at"),
        ("order", "events[2].user_forgotten"),
        ("empty", "events[2].action"),
    ],
)
async def test_the_first_event_that_is_wrong_is_named_and_what_came_before_is_in_kafka(
    broker: EmbeddedBroker, tmp_path: Path, kind: str, field: str
) -> None:
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        bad = [*plays(2, start=10), broken(kind), *plays(2, start=20)]
        code, details = await door.refused(plays(10), bad, plays(5, start=30))
        assert door.metric("pagecast_rejected_total", reason="INVALID_REQUEST") == 1
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert field_of(details) == field
    assert details["ErrorInfo"].metadata == {"events_published": "12"}
    assert await logged(broker, 12) == plays(12)


@pytest.mark.parametrize("count", [0, MESSAGE_EVENTS_MAX + 1])
async def test_a_message_has_a_bounded_number_of_events(
    broker: EmbeddedBroker, tmp_path: Path, count: int
) -> None:
    small = play("a", "b")
    small.ClearField("context")
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        assert await door.publish([small] * MESSAGE_EVENTS_MAX) == MESSAGE_EVENTS_MAX
        code, details = await door.refused(plays(1), [small] * count)
    assert (code, field_of(details)) == (grpc.StatusCode.INVALID_ARGUMENT, "events")
    assert details["ErrorInfo"].metadata == {"events_published": "1"}


async def test_bytes_that_are_no_message_are_refused_after_what_came_before(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    good = Request(events=plays(3)).SerializeToString()
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        call = door.stub.PublishEvents
        call._request_serializer = lambda data: data
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(iter([good, b"\xff\xff", good]))  # type: ignore[arg-type]
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = details_of(failed.value)["ErrorInfo"]
    assert (info.reason, info.metadata) == ("MALFORMED_REQUEST", {"events_published": "3"})
    assert await logged(broker, 3) == plays(3)


async def test_a_stream_sent_again_repeats_event_ids_and_so_has_no_second_effect(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        await door.publish(plays(5))
        await door.publish(plays(5))
    times = Counter(event.event_id for event in await logged(broker, 10))
    assert set(times.values()) == {2}


async def test_without_kafka_the_setting_is_named(tmp_path: Path) -> None:
    async with serving(tmp_path, "") as door:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await door.publish(plays(1))
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "bootstrap_servers" in failed.value.details()
    assert details_of(failed.value)["ErrorInfo"].reason == "EVENT_LOG_NOT_CONFIGURED"


async def test_a_broker_that_is_away_is_said_within_the_deadline_and_back_when_it_is(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with serving(tmp_path, f"127.0.0.1:{port}") as door:
        for _ in range(2):
            code, details = await door.refused(plays(1), timeout_s=2.0)
            assert code is grpc.StatusCode.UNAVAILABLE
            assert details["ErrorInfo"].reason == "EVENT_LOG_UNAVAILABLE"
            assert details["RetryInfo"].retry_delay.seconds == 1
        broker = EmbeddedBroker(port, log=tmp_path / "broker.log")
        await asyncio.to_thread(broker.start)
        try:
            # A topic that is missing is made.
            assert await door.publish(plays(3)) == 3
            assert await logged(broker, 3) == plays(3)
        finally:
            broker.stop()


async def test_a_broker_that_hangs_makes_the_client_wait_and_nothing_is_lost_or_doubled(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    assert broker.pid is not None
    messages = [plays(500, start=i * 500) for i in range(30)]
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        await door.publish(plays(1, "bob"))
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            publishing = asyncio.create_task(door.publish(*messages))
            await eventually(lambda: door.unacknowledged == IN_FLIGHT_EVENTS_MAX)
            await asyncio.sleep(1.0)
            assert door.unacknowledged == IN_FLIGHT_EVENTS_MAX, "no more is taken"
            assert not publishing.done(), "nothing is answered"
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert await publishing == 15_000
    events = [e for e in await logged(broker, 15_001) if e.user_id == "ada"]
    assert [e.event_id for e in events] == [e.event_id for m in messages for e in m]


async def test_a_broker_that_hangs_for_longer_than_the_deadline_is_said(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    assert broker.pid is not None
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        await door.publish(plays(1))
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            code, details = await door.refused(plays(5), timeout_s=1.0)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert details["ErrorInfo"].reason == "EVENT_LOG_UNAVAILABLE"
        # Others go on.
        assert await door.publish(plays(2)) == 2


async def test_a_broker_that_has_forgotten_everything_is_published_to_again(
    tmp_path: Path,
) -> None:
    port = free_port()
    broker = EmbeddedBroker(port, log=tmp_path / "broker.log")
    await asyncio.to_thread(broker.start)
    try:
        async with serving(tmp_path, broker.bootstrap_servers) as door:
            assert await door.publish(plays(1)) == 1
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)
            code, details = await door.refused(plays(5))
            assert code is grpc.StatusCode.UNAVAILABLE
            assert details["ErrorInfo"].reason == "EVENT_LOG_UNAVAILABLE"
            # A client tries again when it was told to: the connection is made anew meanwhile.
            for _ in range(TRIES_MAX):
                with suppress(grpc.aio.AioRpcError):
                    assert await door.publish(plays(5)) == 5
                    break
                await asyncio.sleep(RETRY_DELAY_MS / 1000)
        assert set(map(str, await logged(broker, 5))) == set(map(str, plays(5)))
    finally:
        broker.stop()


async def test_a_cancel_stops_the_sending(broker: EmbeddedBroker, tmp_path: Path) -> None:
    assert broker.pid is not None
    async with serving(tmp_path, broker.bootstrap_servers) as door:
        await door.publish(plays(1))
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            call = door.stub.PublishEvents()
            for i in range(4):
                await call.write(Request(events=plays(900, start=i * 900)))
            await eventually(lambda: door.unacknowledged == 3_600)
            await call.write(Request(events=plays(900, start=3_600)))
            call.cancel()
            await asyncio.wait_for(door.server._calls.wait_until_none(), 2)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await eventually(lambda: door.unacknowledged == 0)
    assert len(await logged(broker, 3_601)) == 3_601


@pytest.mark.faults
async def test_a_fast_client_is_taken_at_kafkas_pace(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Fifty thousand events: what the server holds of them never exceeds the bound."""
    most = 0.0

    def messages() -> Iterator[Request]:
        for i in range(100):
            yield Request(events=plays(500, f"user-{i}"))

    async with serving(tmp_path, broker.bootstrap_servers) as door:
        answering = door.stub.PublishEvents(messages(), timeout=120)
        while not answering.done():
            most = max(most, door.unacknowledged)
            await asyncio.sleep(0.002)
        assert (await answering).events_published == 50_000
    assert 0 < most <= IN_FLIGHT_EVENTS_MAX


def test_the_bound_of_a_message_is_the_protos() -> None:
    from buf.validate import validate_pb2

    field = Request.DESCRIPTOR.fields_by_name["events"]
    rules: Message = field.GetOptions().Extensions[validate_pb2.field]
    assert rules.repeated.max_items == MESSAGE_EVENTS_MAX  # type: ignore[attr-defined]
