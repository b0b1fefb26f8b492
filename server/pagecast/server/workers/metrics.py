"""One /metrics for all workers of a server, told apart by the label `worker`.

They are asked when the supervisor is. A worker's counters begin anew when it is started again, like
those of any process.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from pagecast.server.rpc.listening import PortTakenError

ASK_S_MAX = 2.0
"""A worker answers in milliseconds; one that is too busy is left out, and the others are shown."""

WORKER_LABEL = "worker"

_log = structlog.get_logger(__name__)


class WorkerMetrics:
    """Served inside the `with` block. Raises PortTakenError."""

    def __init__(self, port: int) -> None:
        self.ports: dict[int, int] = {}
        """Metrics port of each worker that serves, by number."""
        registry = CollectorRegistry()
        Gauge("pagecast_workers_serving", "Workers that serve.", registry=registry).set_function(
            lambda: len(self.ports)
        )
        self.restarts = Counter(
            "pagecast_worker_restarts",
            "Workers started again after they had ended by themselves.",
            [WORKER_LABEL],
            registry=registry,
        )
        registry.register(_OfWorkers(self.ports))
        try:
            self._http, self._thread = start_http_server(port, "127.0.0.1", registry)
        except OSError as error:
            raise PortTakenError.of_metrics(port) from error

    @property
    def port(self) -> int:
        return self._http.server_port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _OfWorkers(Collector):
    """Asks the workers whenever it is asked."""

    def __init__(self, ports: dict[int, int]) -> None:
        self._ports = ports

    def describe(self) -> Iterable[Metric]:
        """What the workers tell is unknown until they are asked."""
        return ()

    def collect(self) -> Iterator[Metric]:
        told = {}
        for number, port in sorted(self._ports.copy().items()):
            try:
                with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ASK_S_MAX) as answer:
                    told[number] = answer.read().decode()
            except (URLError, OSError) as error:
                _log.warning("worker_tells_nothing", worker=number, error=str(error))
        yield from merged(told)


def merged(told: Mapping[int, str]) -> Iterable[Metric]:
    """Metrics as each worker's /metrics tells them, with the label `worker`; a name stays one."""
    families: dict[str, Metric] = {}
    for number, text in told.items():
        for family in text_string_to_metric_families(text):
            into = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, WORKER_LABEL: str(number)}
                into.add_sample(sample.name, labels, sample.value)
    return families.values()
