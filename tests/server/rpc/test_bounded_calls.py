"""Hanging calls cost their threads, and no caller more than the agreed time."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from pagecast.server.rpc.bounded_calls import BoundedCalls

TIME_S = 0.1


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """What hangs waits for it."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def calls(free: threading.Event) -> Iterator[BoundedCalls]:
    made = BoundedCalls("test", 2)
    yield made
    free.set()
    made.close()


async def test_a_call_is_answered_or_raises(calls: BoundedCalls) -> None:
    assert await calls.awaited(lambda: 5, 10) == calls.of(lambda: 5, 10) == 5
    with pytest.raises(ZeroDivisionError):
        await calls.awaited(lambda: 1 / 0, 10)


async def test_while_all_threads_hang_calls_fail_at_once(
    calls: BoundedCalls, free: threading.Event
) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await calls.awaited(free.wait, TIME_S)
    began_s = time.monotonic()
    for _ in range(20):
        with pytest.raises(TimeoutError, match="hangs"):
            await calls.awaited(free.wait, 10)
        with pytest.raises(TimeoutError, match="hangs"):
            calls.of(free.wait, 10)
    assert time.monotonic() - began_s < 10
    free.set()
    while True:
        try:
            assert await calls.awaited(lambda: 5, 10) == 5
        except TimeoutError:
            await asyncio.sleep(0.01)
        else:
            break


async def test_who_is_cancelled_has_given_its_call_up(
    calls: BoundedCalls, free: threading.Event
) -> None:
    begun = threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        free.wait()

    for _ in range(2):
        asking = asyncio.create_task(calls.awaited(hang, 60))
        await asyncio.to_thread(begun.acquire)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    with pytest.raises(TimeoutError, match="hangs"):
        await calls.awaited(hang, 60)
