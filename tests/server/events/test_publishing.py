"""The events of a stream are counted until Kafka has settled them, whatever thread says so."""

import asyncio
import threading
import time

import pytest
from factories import free_port, play

from pagecast.eventlog.errors import BrokerUnavailable
from pagecast.server.events.publishing import (
    RECONNECT_PAUSE_S,
    ROOM_TIMEOUT_S,
    EventPublisher,
    InFlight,
)
from pagecast.server.metrics import Metrics


def flight() -> tuple[InFlight, list[bool]]:
    counted: list[bool] = []
    return InFlight(counted.append), counted


async def test_it_waits_until_enough_are_settled() -> None:
    sent, counted = flight()
    for _ in range(3):
        sent.begin()
    await sent.wait_until_at_most(3)
    waiting = asyncio.create_task(sent.wait_until_at_most(1))
    threading.Thread(target=sent.settle, args=(None,)).start()
    await asyncio.sleep(0.05)
    assert not waiting.done()
    threading.Thread(target=sent.settle, args=(None,)).start()
    await asyncio.wait_for(waiting, 5)
    assert (sent.acknowledged, counted) == (2, [True, True])


async def test_a_failure_ends_the_wait_and_the_first_one_is_kept() -> None:
    sent, counted = flight()
    for _ in range(3):
        sent.begin()
    waiting = asyncio.create_task(sent.wait_until_at_most(0))
    await asyncio.sleep(0)
    first = ValueError("first")
    sent.settle(first)
    sent.settle(ValueError("second"))
    await asyncio.wait_for(waiting, 5)
    assert sent.failure is first
    assert counted == [False, False]


async def test_what_was_not_sent_after_all_is_not_waited_for() -> None:
    sent, counted = flight()
    sent.begin()
    sent.withdraw()
    await sent.wait_until_at_most(0)
    assert counted == []


async def test_who_no_longer_waits_is_not_woken() -> None:
    sent, _ = flight()
    sent.begin()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sent.wait_until_at_most(0), 0.01)
    sent.settle(None)
    await sent.wait_until_at_most(0)


async def test_while_no_broker_is_there_only_the_first_waits_for_one() -> None:
    publisher = EventPublisher(f"127.0.0.1:{free_port()}", Metrics())
    with pytest.raises(BrokerUnavailable):
        await publisher.send([play("ada", "heat")], publisher.begin())
    began_s = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        await publisher.send([play("ada", "heat")], publisher.begin())
    assert time.monotonic() - began_s < RECONNECT_PAUSE_S < ROOM_TIMEOUT_S
    publisher.close()
