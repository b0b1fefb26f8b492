"""The metrics of all workers are one page, told apart by a label."""

from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pagecast.server.metrics import Metrics
from pagecast.server.rpc.listening import PortTakenError
from pagecast.server.workers.metrics import WorkerMetrics, merged


def told(pages: int) -> str:
    registry = CollectorRegistry()
    Counter("rejected", "RPCs.", ["reason"], registry=registry).labels(reason="FULL").inc(pages)
    Gauge("slots", "Slots.", registry=registry).set(pages)
    Histogram("seconds", "Time.", buckets=(1.0,), registry=registry).observe(pages)
    return generate_latest(registry).decode()


def test_each_sample_is_told_with_its_worker() -> None:
    families = {family.name: family for family in merged({0: told(2), 1: told(5)})}
    assert [
        (sample.labels, sample.value)
        for sample in families["rejected"].samples
        if sample.name == "rejected_total"
    ] == [({"reason": "FULL", "worker": "0"}, 2), ({"reason": "FULL", "worker": "1"}, 5)]
    assert [sample.value for sample in families["slots"].samples] == [2, 5]
    assert families["seconds"].type == "histogram"


def test_a_worker_that_does_not_answer_is_left_out() -> None:
    one = Metrics()
    one.rejected.labels(reason="SLOTS_EXHAUSTED").inc()
    with WorkerMetrics(0) as all_of_them, WorkerMetrics(0) as other:
        all_of_them.ports |= {0: other.port, 1: 9}
        text = urlopen(f"http://127.0.0.1:{all_of_them.port}/metrics").read().decode()
    samples = [
        sample for family in text_string_to_metric_families(text) for sample in family.samples
    ]
    serving = [s for s in samples if s.name == "pagecast_workers_serving"]
    assert [(s.labels, s.value) for s in serving] == [({}, 2), ({"worker": "0"}, 0)]


def test_a_taken_metrics_port_is_named() -> None:
    with WorkerMetrics(0) as first, pytest.raises(PortTakenError, match="metrics_port"):
        WorkerMetrics(first.port)
