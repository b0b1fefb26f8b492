"""Step 9: what was delivered is reported, and nobody waits for it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from eventlog.factories_eventlog import read_all
from factories import free_port

from pagecast.eventlog.broker import EmbeddedBroker
from pagecast.eventlog.topics import PAGES
from pagecast.server import served
from pagecast.server.metrics import Metrics
from pagecast.server.served import PageReporter
from pagecast.v1 import events_pb2


def page(number: int) -> events_pb2.PageServed:
    return events_pb2.PageServed(page_id=f"p{number}", user_id=f"u{number % 3}")


def outcomes(metrics: Metrics, outcome: str) -> float:
    labels = {"outcome": outcome}
    return metrics.registry.get_sample_value("pagecast_pages_reported_total", labels) or 0.0


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
