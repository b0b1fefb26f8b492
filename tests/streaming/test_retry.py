"""What fails for the moment is retried for a while; what is wrong stays wrong and is not."""

import sqlite3
import threading
import time
from collections.abc import Callable

import pytest
from eventlog.factories_eventlog import read_all
from streaming.factories_letters import send_raw

from pagecast.eventlog.errors import BrokerUnavailable, PublishFailed
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.rejection import Rejection
from pagecast.eventlog.topics import INTERACTIONS, dead_letter
from pagecast.eventlog.validation import interaction_of
from pagecast.streaming.deadletter import send_dead_letters
from pagecast.streaming.retry import TRANSIENT, retrying


class Step:
    """Raises `error` so many times, then does its work."""

    def __init__(self, error: Exception, times: int, work: Callable[[], None] = lambda: None):
        self.calls = 0
        self._error, self._times, self._work = error, times, work

    def __call__(self) -> None:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        self._work()


def test_a_poison_event_is_not_tried_again_but_a_letter(bootstrap: str) -> None:
    poison = send_raw(bootstrap, [b"\xff", b"\x08"])
    calls: list[int] = []

    def ingest(producer: EventProducer) -> None:
        calls.append(1)
        judged = [(record, interaction_of(record)) for record in poison]
        send_dead_letters(producer, [(r, f) for r, f in judged if isinstance(f, Rejection)])

    with EventProducer(bootstrap) as producer:
        retrying(threading.Event(), 5.0)(ingest, producer)
    assert len(calls) == 1
    assert len(read_all(bootstrap, dead_letter(INTERACTIONS), 2)) == 2


@pytest.mark.parametrize(
    "error",
    [BrokerUnavailable("away"), PublishFailed("lost"), sqlite3.OperationalError("busy"), OSError()],
)
def test_a_fault_that_passes_is_tried_again_and_makes_no_letter(
    bootstrap: str, error: Exception
) -> None:
    assert isinstance(error, TRANSIENT)
    step = Step(error, 2)
    retrying(threading.Event(), 5.0)(step)
    assert step.calls == 3
    assert read_all(bootstrap, dead_letter(INTERACTIONS), 1, timeout_s=0.2) == []


def test_a_fault_that_stays_is_raised_at_once() -> None:
    step = Step(ZeroDivisionError(), 1)
    with pytest.raises(ZeroDivisionError):
        retrying(threading.Event(), 5.0)(step)
    assert step.calls == 1


def test_it_is_not_tried_for_ever() -> None:
    began_s = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        retrying(threading.Event(), 0.3)(Step(BrokerUnavailable("away"), 10_000))
    assert time.monotonic() - began_s < 3.0


def test_who_stops_does_not_wait() -> None:
    stop = threading.Event()
    stop.set()
    step = Step(BrokerUnavailable("away"), 10_000)
    with pytest.raises(BrokerUnavailable):
        retrying(stop, 60.0)(step)
    assert step.calls == 1
