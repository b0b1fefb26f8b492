"""What several workers of one server are told, and how they divide what the server has."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pagecast.server.config import ServerConfig

WORKERS_MAX = 64
"""More cores than this are better on another machine: each worker holds a model and a catalog."""


@dataclass(frozen=True, kw_only=True)
class WorkersConfig:
    """Several workers of one server. Raises ValueError that names the field and the remedy."""

    server: ServerConfig
    """Settings of the server as a whole."""

    workers: int
    """Processes: as many as there are cores to decode on."""

    command: Sequence[str]
    """What runs a worker, which takes its `WorkerOrders`; the first word is a path."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The workers' variables, on top of this process's."""

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= WORKERS_MAX:
            raise ValueError(f"workers is {self.workers}, must be from 1 to {WORKERS_MAX}")
        if sys.platform != "linux":
            raise ValueError("workers share a port as Linux does: start one, or use Linux")

    def of_worker(self, port: int, continuation_key: str) -> ServerConfig:
        """What each worker is told: its share of the memory for prefixes, slots and queue as for
        one core, and a metrics port that only the supervisor asks."""
        return replace(
            self.server,
            port=port,
            share_port=True,
            metrics_port=0,
            continuation_key=continuation_key,
            prefix_cache_mb=-(-self.server.prefix_cache_mb // self.workers),
        )
