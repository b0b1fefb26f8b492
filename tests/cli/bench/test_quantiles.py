"""Quantiles from buckets."""

from math import inf

import pytest
from prometheus_client import CollectorRegistry, start_http_server

from pagecast.cli.bench.quantiles import quantile, scrape, since
from pagecast.streaming.batch_histogram import BatchHistogram

BUCKETS = {0.1: 50.0, 0.2: 90.0, 0.4: 90.0, inf: 100.0}


@pytest.mark.parametrize(
    ("share", "value"), [(0.25, 0.05), (0.5, 0.1), (0.7, 0.15), (0.9, 0.2), (0.99, 0.4)]
)
def test_a_quantile_is_interpolated_within_its_bucket(share: float, value: float) -> None:
    assert quantile(BUCKETS, share) == pytest.approx(value)


def test_of_nothing_there_is_no_quantile() -> None:
    with pytest.raises(ValueError, match="nothing was observed"):
        quantile({0.1: 0.0, inf: 0.0}, 0.5)


def test_only_what_came_between_two_looks_counts() -> None:
    registry = CollectorRegistry()
    histogram = BatchHistogram("waits", "Waits.", bounds=(0.1, 1.0), registry=registry)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        histogram.observe([0.05, 5.0])
        before = scrape(server.server_port, "waits")
        histogram.observe([0.5, 0.5, 0.05])
        after = scrape(server.server_port, "waits")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert since(before, after) == {0.1: 1.0, 1.0: 3.0, inf: 3.0}
