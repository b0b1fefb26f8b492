"""Step 5 of the life of a page: slots, how many pages are decoded at once and how many may wait.

Beyond that a page is refused at once: clients are better refused than kept waiting (docs/facts.md,
section 1). onnxruntime releases the GIL, so two slots use two cores.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")

SLOTS_DEFAULT = 2
"""A decode step is compute-bound on a CPU: more slots than cores only make every page slower."""

WAITING_DEFAULT = 64
"""At some tens of milliseconds a page the last in the queue waits a second or two; who comes later
would give up before the page does."""

CLOSE_SECONDS_MAX = 5.0
"""A cancelled job ends within a decode step; one that does not must not keep the server alive."""


class SlotsExhausted(Exception):  # noqa: N818 - it is an answer, not a fault
    """Every slot is taken, and as many pages wait as may."""


class SlotsClosed(Exception):  # noqa: N818 - it is an answer, not a fault
    """The server is going away: no slot is given any more."""


class Ticket(Generic[T]):
    """One job's place in the queue, then in a slot. What becomes of it is in `future`."""

    def __init__(self, job: Callable[[Callable[[], bool]], T]) -> None:
        self.future: Future[T] = Future()
        self._job = job
        self._cancelled = threading.Event()
        self._submitted_s = time.monotonic()
        self._begun_s: float | None = None

    @property
    def waited_ms(self) -> float:
        """Time in the queue; still growing while the job has not begun."""
        until_s = time.monotonic() if self._begun_s is None else self._begun_s
        return (until_s - self._submitted_s) * 1000

    def cancel(self) -> None:
        """A job that has not begun never begins; one that has is told through its argument."""
        self._cancelled.set()
        self.future.cancel()

    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def run(self) -> Callable[[], None]:
        """Runs the job, unless it was cancelled; returns what tells the waiting of its end."""
        if not self.future.set_running_or_notify_cancel():
            return lambda: None
        self._begun_s = time.monotonic()
        try:
            result = self._job(self.cancelled)
        except BaseException as error:
            return partial(self.future.set_exception, error)
        return partial(self.future.set_result, result)


class Slots:
    """A bounded pool of threads, each one slot, and a bounded queue in front of it."""

    def __init__(self, slots_max: int = SLOTS_DEFAULT, waiting_max: int = WAITING_DEFAULT) -> None:
        if slots_max < 1 or waiting_max < 0:
            raise ValueError(f"{slots_max} slots and {waiting_max} waiting cannot be")
        self.slots_max = slots_max
        self.waiting_max = waiting_max
        self._waiting: deque[Ticket[Any]] = deque()
        self._running: set[Ticket[Any]] = set()
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._serve, name=f"pagecast-slot-{i}", daemon=True)
            for i in range(slots_max)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def in_use(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, job: Callable[[Callable[[], bool]], T]) -> Ticket[T]:
        """Queues a job; it is called with a function that says whether it was cancelled.

        Never blocks. Raises SlotsExhausted or SlotsClosed.
        """
        ticket = Ticket(job)
        with self._changed:
            if self._closed:
                raise SlotsClosed("the server is closing")
            if self.in_use + self.waiting >= self.slots_max + self.waiting_max:
                raise SlotsExhausted(f"{self.slots_max} slots taken, {self.waiting} waiting")
            self._waiting.append(ticket)
            self._changed.notify()
        ticket.future.add_done_callback(lambda _: self._leave_queue(ticket))
        return ticket

    def close(self) -> None:
        """Cancels every job, waiting or running, and ends the threads."""
        with self._changed:
            self._closed = True
            tickets = [*self._waiting, *self._running]
            self._changed.notify_all()
        for ticket in tickets:
            ticket.cancel()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS_MAX)

    def _serve(self) -> None:
        while (ticket := self._next()) is not None:
            tell = ticket.run()
            # The slot is free before anyone hears of it, or who asks at once would be refused.
            with self._changed:
                self._running.remove(ticket)
            tell()

    def _next(self) -> Ticket[Any] | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            ticket = self._waiting.popleft()
            self._running.add(ticket)
            return ticket

    def _leave_queue(self, ticket: Ticket[Any]) -> None:
        with self._changed:
            if ticket not in self._waiting:
                return
            self._waiting.remove(ticket)
        # Only now do `concurrent.futures.wait` and its kin see the cancellation.
        ticket.future.set_running_or_notify_cancel()
