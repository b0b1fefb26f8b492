"""Step 9: what was delivered is reported, and nobody waits for it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from eventlog.factories_eventlog import read_all
from factories import free_port

from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.errors import PublishFailed
from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import PAGES
from pagecast.server.metrics import Metrics
from pagecast.server.page import served
from pagecast.server.page.served import PageReporter
from pagecast.v1 import events_pb2


def page(number: int) -> events_pb2.PageServed:
    return events_pb2.PageServed(page_id=f"p{number}", user_id=f"u{number % 3}")


def outcomes(metrics: Metrics, outcome: str) -> float:
    labels = {"outcome": outcome}
    return metrics.registry.get_sample_value("pagecast_pages_reported_total", labels) or 0.0


def sent_pages(bootstrap: str, count: int) -> list[events_pb2.PageServed]:
    return [events_pb2.PageServed.FromString(r.value) for r in read_all(bootstrap, PAGES, count)]


def wait_until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reports_arrive_keyed_by_user_even_those_of_the_last_moment(tmp_path: Path) -> None:
    metrics = Metrics()
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        reporter = PageReporter(broker.bootstrap_servers, metrics)
        for number in range(20):
            reporter.report(page(number))
        reporter.close()
        records = read_all(broker.bootstrap_servers, PAGES, 20)
    served_pages = [(r.key, events_pb2.PageServed.FromString(r.value)) for r in records]
    assert sorted(p.page_id for _, p in served_pages) == sorted(f"p{n}" for n in range(20))
    assert all(key == p.user_id.encode() for key, p in served_pages)
    assert outcomes(metrics, "sent") == 20


def test_reports_wait_for_a_broker_that_comes_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 0.2)
    monkeypatch.setattr(served, "PAUSE_S", 0.1)
    metrics, port = Metrics(), free_port()
    reporter = PageReporter(f"127.0.0.1:{port}", metrics)
    reporter.report(page(1))
    time.sleep(0.5)
    monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 5.0)
    with EmbeddedBroker(port=port, log=tmp_path / "broker.log") as broker:
        wait_until(lambda: outcomes(metrics, "sent") == 1)
        assert len(read_all(broker.bootstrap_servers, PAGES, 1)) == 1
        reporter.close()


def test_without_a_broker_reporting_neither_waits_nor_raises_and_losses_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 0.2)
    monkeypatch.setattr(served, "REPORTS_MAX", 3)
    metrics = Metrics()
    reporter = PageReporter(f"127.0.0.1:{free_port()}", metrics)
    began = time.monotonic()
    for number in range(5):
        reporter.report(page(number))
    assert time.monotonic() - began < 0.1
    assert outcomes(metrics, "lost") == 2
    reporter.close()
    assert outcomes(metrics, "lost") == 5


def test_a_broker_that_answers_too_late_costs_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 0.5)
    monkeypatch.setattr(served, "PAUSE_S", 0.1)
    metrics = Metrics()
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        reporter = PageReporter(broker.bootstrap_servers, metrics)
        reporter.report(page(0))
        wait_until(lambda: outcomes(metrics, "sent") == 1)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            for number in range(1, 6):
                reporter.report(page(number))
            wait_until(lambda: reporter._failing)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 5.0)
        wait_until(lambda: outcomes(metrics, "sent") == 6, 30.0)
        reporter.close()
        ids = {served_page.page_id for served_page in sent_pages(broker.bootstrap_servers, 6)}
    assert ids == {f"p{number}" for number in range(6)}
    assert outcomes(metrics, "failed") == outcomes(metrics, "lost") == 0


def test_what_kafka_never_takes_is_given_up_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "PAUSE_S", 0.01)
    monkeypatch.setattr(served, "SENDS_MAX", 3)
    monkeypatch.setattr(served, "BATCH_MAX", 2)
    flushes: list[float] = []

    def refused_at_first(self: EventProducer, timeout_s: float = 1.0) -> None:
        flushes.append(timeout_s)
        if len(flushes) <= 6:  # each try flushes twice: the second time as it is closed
            raise PublishFailed("the broker takes less")
        flush(self, timeout_s)

    flush = EventProducer.flush
    monkeypatch.setattr(EventProducer, "flush", refused_at_first)
    metrics = Metrics()
    with EmbeddedBroker(log=tmp_path / "broker.log") as broker:
        reporter = PageReporter(broker.bootstrap_servers, metrics)
        for next_page in (page(1), page(2)):
            reporter.report(next_page)
        wait_until(lambda: outcomes(metrics, "sent") == 1)
        assert outcomes(metrics, "failed") == 1, "the oldest alone"
        large = page(3)
        large.model_version = "x" * 2_000_000
        for next_page in (large, page(4)):
            reporter.report(next_page)
        wait_until(lambda: outcomes(metrics, "sent") == 2)
        reporter.close()
    assert (outcomes(metrics, "failed"), outcomes(metrics, "lost")) == (2, 0)


def test_large_pages_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "FLUSH_TIMEOUT_S", 0.2)
    monkeypatch.setattr(served, "REPORTS_BYTES_MAX", 2 * page(0).ByteSize())
    metrics = Metrics()
    reporter = PageReporter(f"127.0.0.1:{free_port()}", metrics)
    for number in range(5):
        reporter.report(page(number))
    assert outcomes(metrics, "lost") == 3
    reporter.close()
    assert outcomes(metrics, "lost") == 5
