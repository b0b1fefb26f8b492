"""A Prometheus histogram that takes a batch of observations at once."""

import threading
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class BatchHistogram(Collector):
    """The client library takes one observation per call, which costs more than folding an event."""

    def __init__(
        self,
        name: str,
        documentation: str,
        *,
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._documentation = name, documentation
        self._bounds_B = np.array(bounds, np.float64)
        self._lock = threading.Lock()
        self._counts_B = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        registry.register(self)

    def observe(self, values: npt.ArrayLike) -> None:
        """Adds values; those below zero (a clock behind) count as zero."""
        values_N = np.maximum(np.asarray(values, np.float64), 0.0)
        # A value equal to a bound belongs below it: `le`.
        buckets_N = np.searchsorted(self._bounds_B, values_N, side="left")
        counts_B = np.bincount(buckets_N, minlength=len(self._counts_B))
        with self._lock:
            self._counts_B += counts_B
            self._sum += float(values_N.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        with self._lock:
            cumulative, total = np.cumsum(self._counts_B).tolist(), self._sum
        yield HistogramMetricFamily(
            self._name, self._documentation, list(_named(self._bounds_B, cumulative)), total
        )


def _named(bounds_B: Iterable[float], cumulative: Sequence[int]) -> Iterator[tuple[str, float]]:
    for bound, count in zip((*bounds_B, float("inf")), cumulative, strict=True):
        yield "+Inf" if bound == float("inf") else str(float(bound)), count
