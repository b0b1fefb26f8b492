"""Quantiles from the buckets of a Prometheus histogram."""

from collections.abc import Iterable, Mapping
from math import inf
from urllib.request import urlopen

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Buckets = Mapping[float, float]
"""Observations up to and including each bound; the last bound is infinite."""


ANSWER_SECONDS_MAX = 10.0
"""A process that serves its metrics does so at once."""


def families(port: int) -> Iterable[Metric]:
    """The families of the metrics that a process on this machine serves."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_SECONDS_MAX) as answer:
        return text_string_to_metric_families(answer.read().decode())


def scrape(port: int, name: str) -> Buckets:
    """The buckets of a histogram without labels that a process on this machine serves.

    Empty before the first observation, if the process leaves it out till then.
    """
    return {
        float(sample.labels["le"]): sample.value
        for family in families(port)
        if family.name == name
        for sample in family.samples
        if sample.name == f"{name}_bucket"
    }


def since(before: Buckets, after: Buckets) -> dict[float, float]:
    """The buckets of what was observed between two looks."""
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}


def quantile(buckets: Buckets, share: float) -> float:
    """Interpolated within its bucket, so exact to the bucket's width; the bound of the last one.

    Raises ValueError if nothing was observed.
    """
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        raise ValueError("nothing was observed: no quantile")
    wanted = share * buckets[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= wanted and buckets[bound] > below:
            if bound == inf:
                return low
            return low + (bound - low) * (wanted - below) / (buckets[bound] - below)
        low, below = bound, buckets[bound]
    return low
