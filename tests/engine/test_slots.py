"""Slots are bounded, refuse at once, and a cancelled job never begins."""

import concurrent.futures
import threading
from collections.abc import Callable, Iterator

import pytest

from pagecast.engine.slots import Slots, SlotsClosed, SlotsExhausted

PATIENCE_S = 10.0
"""Far beyond what any of these waits takes; only a bug reaches it."""


class Gate:
    """A job that says when it has begun and ends when it is let go or cancelled."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, cancelled: Callable[[], bool]) -> str:
        self.begun.set()
        while not self.let_go.wait(0.005):
            if cancelled():
                return "cancelled"
        return "done"


@pytest.fixture
def slots() -> Iterator[Slots]:
    pool = Slots(slots_max=1, waiting_max=2)
    yield pool
    pool.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("pagecast-slot")]


def test_a_job_runs_in_a_slot_and_its_result_is_in_the_future(slots: Slots) -> None:
    ticket = slots.submit(lambda cancelled: (threading.current_thread().name, cancelled()))
    assert ticket.future.result(PATIENCE_S) == ("pagecast-slot-0", False)


def test_what_a_job_raises_is_in_the_future_and_the_slot_goes_on(slots: Slots) -> None:
    def fails(cancelled: Callable[[], bool]) -> None:
        raise KeyError("model")

    with pytest.raises(KeyError):
        slots.submit(fails).future.result(PATIENCE_S)
    assert slots.submit(lambda cancelled: 1).future.result(PATIENCE_S) == 1


def test_beyond_slots_and_queue_a_job_is_refused_at_once(slots: Slots) -> None:
    gates = [Gate() for _ in range(3)]
    tickets = [slots.submit(gate) for gate in gates]
    assert gates[0].begun.wait(PATIENCE_S)
    assert (slots.in_use, slots.waiting) == (1, 2)
    with pytest.raises(SlotsExhausted, match="1 slots taken, 2 waiting"):
        slots.submit(Gate())
    for gate in gates:
        gate.let_go.set()
    assert [ticket.future.result(PATIENCE_S) for ticket in tickets] == ["done"] * 3


def test_without_a_queue_a_free_slot_still_takes_a_job() -> None:
    pool = Slots(slots_max=1, waiting_max=0)
    gate = Gate()
    ticket = pool.submit(gate)
    with pytest.raises(SlotsExhausted):
        pool.submit(Gate())
    gate.let_go.set()
    assert ticket.future.result(PATIENCE_S) == "done"
    pool.close()


def test_a_slot_is_free_again_when_its_result_is_there() -> None:
    pool = Slots(slots_max=1, waiting_max=0)
    for i in range(200):
        assert pool.submit(lambda cancelled, i=i: i).future.result(PATIENCE_S) == i  # type: ignore[misc]
    assert pool.in_use == 0
    pool.close()


def test_jobs_run_in_the_order_they_came(slots: Slots) -> None:
    order: list[int] = []
    gate = Gate()
    slots.submit(gate)
    tickets = [slots.submit(lambda cancelled, i=i: order.append(i)) for i in range(2)]  # type: ignore[misc]
    gate.let_go.set()
    for ticket in tickets:
        ticket.future.result(PATIENCE_S)
    assert order == [0, 1]


def test_two_slots_run_two_jobs_at_once() -> None:
    pool = Slots(slots_max=2, waiting_max=0)
    gates = [Gate(), Gate()]
    tickets = [pool.submit(gate) for gate in gates]
    assert all(gate.begun.wait(PATIENCE_S) for gate in gates)
    for gate in gates:
        gate.let_go.set()
    assert [ticket.future.result(PATIENCE_S) for ticket in tickets] == ["done", "done"]
    pool.close()


@pytest.mark.parametrize("through_future", [False, True])
def test_a_job_cancelled_in_the_queue_never_begins_and_frees_its_place(
    slots: Slots, through_future: bool
) -> None:
    running, never = Gate(), Gate()
    first = slots.submit(running)
    assert running.begun.wait(PATIENCE_S)
    ticket = slots.submit(never)
    if through_future:
        ticket.future.cancel()
    else:
        ticket.cancel()
    assert slots.waiting == 0
    done, _ = concurrent.futures.wait([ticket.future], PATIENCE_S)
    assert ticket.future in done
    running.let_go.set()
    assert first.future.result(PATIENCE_S) == "done"
    slots.submit(lambda cancelled: None).future.result(PATIENCE_S)
    assert ticket.future.cancelled()
    assert not never.begun.is_set()


def test_a_running_job_is_told_and_ends_itself(slots: Slots) -> None:
    gate = Gate()
    ticket = slots.submit(gate)
    assert gate.begun.wait(PATIENCE_S)
    ticket.cancel()
    assert ticket.future.result(PATIENCE_S) == "cancelled"


def test_ten_thousand_cancelled_jobs_leave_nothing_behind(slots: Slots) -> None:
    gate = Gate()
    first = slots.submit(gate)
    for _ in range(10_000):
        slots.submit(Gate()).cancel()
    assert slots.waiting == 0
    gate.let_go.set()
    assert first.future.result(PATIENCE_S) == "done"


def test_the_time_in_the_queue_is_measured(slots: Slots) -> None:
    gate = Gate()
    slots.submit(gate)
    assert gate.begun.wait(PATIENCE_S)
    ticket = slots.submit(lambda cancelled: None)
    waited_ms = ticket.waited_ms
    gate.begun.clear()
    gate.begun.wait(0.01)
    assert ticket.waited_ms > waited_ms
    gate.let_go.set()
    ticket.future.result(PATIENCE_S)
    settled_ms = ticket.waited_ms
    assert settled_ms >= 10
    assert ticket.waited_ms == settled_ms


def test_closing_cancels_what_waits_and_stops_what_runs() -> None:
    pool = Slots(slots_max=1, waiting_max=1)
    running, never = Gate(), Gate()
    first = pool.submit(running)
    assert running.begun.wait(PATIENCE_S)
    second = pool.submit(never)
    pool.close()
    assert first.future.result(0) == "cancelled"
    assert second.future.cancelled()
    assert not never.begun.is_set()
    with pytest.raises(SlotsClosed):
        pool.submit(Gate())
    pool.close()


@pytest.mark.parametrize(("slots_max", "waiting_max"), [(0, 1), (1, -1)])
def test_bounds_that_cannot_be_are_refused(slots_max: int, waiting_max: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Slots(slots_max, waiting_max)
