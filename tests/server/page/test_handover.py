"""The seam between the decode loop's thread and the event loop."""

import asyncio
import threading
import time

import pytest

from pagecast.server.page.handover import EVENTS_MAX, Handover, HandoverFull


async def collect(handover: Handover[int]) -> list[int]:
    return [event async for events in handover for event in events]


async def test_messages_arrive_in_order_from_another_thread() -> None:
    handover: Handover[int] = Handover(events_max=10_000)

    def produce() -> None:
        for number in range(5_000):
            handover.put([number])
            if number % 1_000 == 0:
                time.sleep(0.001)
        handover.end()

    thread = threading.Thread(target=produce)
    thread.start()
    assert await asyncio.wait_for(collect(handover), 10) == list(range(5_000))
    thread.join()


async def test_a_message_is_read_before_the_next_is_made() -> None:
    handover: Handover[int] = Handover(EVENTS_MAX)
    read = threading.Event()

    def produce() -> None:
        handover.put([1])
        assert read.wait(5)
        handover.end()

    thread = threading.Thread(target=produce)
    thread.start()
    async for events in handover:
        assert events == [1]
        read.set()
    thread.join()


async def test_the_thread_s_error_is_raised_after_its_messages() -> None:
    handover: Handover[int] = Handover(EVENTS_MAX)
    handover.put([1])
    handover.end(RuntimeError("broken"))
    messages = aiter(handover)
    assert await anext(messages) == [1]
    with pytest.raises(RuntimeError, match="broken"):
        await anext(messages)


async def test_a_reader_that_stands_still_costs_a_bounded_number_of_messages() -> None:
    handover: Handover[int] = Handover(events_max=3)
    for number in range(3):
        handover.put([number])
    with pytest.raises(HandoverFull):
        handover.put([3])
    handover.end()
    assert await collect(handover) == [0, 1, 2]
