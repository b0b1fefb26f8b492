"""ForgetUser: the order is in the event log before the answer, which waits for the receipt."""

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from factories import free_port
from factories_relay import Relay
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Served, details_of

from pagecast.eventlog.topics import INTERACTIONS, PROFILES
from pagecast.featurestore.erasures import Erasures
from pagecast.server.events import forget
from pagecast.server.rpc.errors import Refusal
from pagecast.v1 import events_pb2, feature_pb2, feature_pb2_grpc


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as bootstrap_servers:
        yield bootstrap_servers


async def forgotten(
    served: Served, user_id: str = "ada", timeout_s: float | None = 20.0
) -> feature_pb2.ForgetUserResponse:
    request = feature_pb2.ForgetUserRequest(user_id=user_id)
    stub = feature_pb2_grpc.FeatureServiceStub(served.channel)
    return await stub.ForgetUser(request, timeout=timeout_s)


def order_in(bootstrap: str) -> events_pb2.InteractionEvent:
    [record] = read_all(bootstrap, INTERACTIONS, 1)
    return events_pb2.InteractionEvent.FromString(record.value)


async def erase_as_a_worker_does(house: House, bootstrap: str, rows: int) -> None:
    """Meets the order in the log and writes its receipt; the stores are the worker's tests'."""
    order = await asyncio.to_thread(order_in, bootstrap)
    erasures = Erasures(house.engine)
    at_ms = order.occurred_at.ToMilliseconds()
    erasures.begin(order.event_id, order.user_id, "t", 0, 1, at_ms)
    erasures.complete(order.event_id, rows, at_ms + 700)


async def test_the_receipt_is_answered_once_a_worker_has_written_it(
    house: House, bootstrap: str
) -> None:
    async with house.serve(bootstrap_servers=bootstrap) as served:
        call = asyncio.ensure_future(forgotten(served))
        await erase_as_a_worker_does(house, bootstrap, rows=12)
        receipt = await call
    order = await asyncio.to_thread(order_in, bootstrap)
    assert order.HasField("user_forgotten")
    assert order.user_id == "ada"
    assert receipt.receipt_id == order.event_id
    assert receipt.requested_at == order.occurred_at
    assert receipt.rows_erased == 12
    took_ms = receipt.completed_at.ToMilliseconds() - receipt.requested_at.ToMilliseconds()
    assert took_ms == 700


async def test_the_profile_is_forgotten_by_a_record_without_a_value(
    house: House, bootstrap: str
) -> None:
    async with house.serve(bootstrap_servers=bootstrap) as served:
        await forgotten(served, timeout_s=2.0)
    [profile] = await asyncio.to_thread(read_all, bootstrap, PROFILES, 1)
    assert (profile.key, profile.value) == (b"ada", None)


async def test_at_the_deadline_it_answers_what_is_known(house: House, bootstrap: str) -> None:
    async with house.serve(bootstrap_servers=bootstrap) as served:
        receipt = await forgotten(served, timeout_s=2.0)
    assert receipt.receipt_id == (await asyncio.to_thread(order_in, bootstrap)).event_id
    assert not receipt.HasField("completed_at")


async def test_a_call_without_a_deadline_does_not_wait_for_ever(
    house: House, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "RECEIPT_SECONDS_MAX", 1.5)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        receipt = await asyncio.wait_for(forgotten(served, timeout_s=None), 10)
    assert not receipt.HasField("completed_at")


async def test_without_an_event_log_the_setting_is_named(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await forgotten(served)
    assert failed.value.code() is StatusCode.FAILED_PRECONDITION
    assert details_of(failed.value)["ErrorInfo"].reason == "EVENT_LOG_NOT_CONFIGURED"
    assert "bootstrap_servers" in (failed.value.details() or "")


async def test_a_refusal_holds_nothing_of_the_calls_before_it(house: House) -> None:
    forgetting = forget.Forgetting("", Erasures(house.engine))
    for user_id in ("ada", "bob"):
        with pytest.raises(Refusal) as refused:
            await forgetting.answer(user_id, None)
    forgetting.close()
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(refused.value.__traceback__)]
    assert {known["user_id"] for known in frames if "forgetting" not in known} == {"bob"}


async def test_a_broker_that_is_away_is_said_to_be_unavailable(house: House) -> None:
    async with house.serve(bootstrap_servers=f"127.0.0.1:{free_port()}") as served:
        with pytest.raises(AioRpcError) as failed:
            await forgotten(served, timeout_s=2.0)
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert details_of(failed.value)["ErrorInfo"].reason == "EVENT_LOG_UNAVAILABLE"
    assert "RetryInfo" in details_of(failed.value)


async def test_more_calls_than_may_wait_are_refused(
    house: House, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "FORGETTING_MAX", 2)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        calls = [forgotten(served, f"user-{i}", timeout_s=2.0) for i in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, AioRpcError)]
    assert [error.code() for error in refused] == [StatusCode.RESOURCE_EXHAUSTED]
    assert len({answer.receipt_id for answer in answers if answer not in refused}) == 2


async def test_a_database_that_is_away_leaves_the_order_standing(
    house: House, bootstrap: str
) -> None:
    async with house.serve(bootstrap_servers=bootstrap) as served:
        with house.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE erasures")
        receipt = await forgotten(served, timeout_s=2.0)
    assert receipt.receipt_id == (await asyncio.to_thread(order_in, bootstrap)).event_id
    assert not receipt.HasField("completed_at")


async def test_a_user_id_that_breaks_a_rule_is_refused(house: House) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as failed:
            await forgotten(served, "a\nb")
    assert failed.value.code() is StatusCode.INVALID_ARGUMENT


async def test_so_does_one_that_hangs(house: House, bootstrap: str, relay: Relay) -> None:
    url = relay.url("postgres")
    async with house.serve(bootstrap_servers=bootstrap, database_url=url) as served:
        with relay.hanging():
            calls = [forgotten(served, f"user-{i}", timeout_s=3.0) for i in range(8)]
            receipts = await asyncio.gather(*calls)
    assert len({receipt.receipt_id for receipt in receipts}) == 8
    assert not any(receipt.HasField("completed_at") for receipt in receipts)
