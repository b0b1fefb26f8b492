"""What a supervisor tells its worker, and what the worker says back: that it serves.

Orders go through the environment, because they hold keys and passwords and everybody can read a
command line. A pipe leads back: a line says that the worker serves, its end that it has ended.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pagecast.eventlog.bootstrap import Bootstrap, Mechanism, Protocol, SecuredKafka
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.history.history import Action
from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.rpc.listening import Listening

ORDERS_VARIABLE = "PAGECAST_WORKER_ORDERS"


@dataclass(frozen=True, kw_only=True)
class WorkerOrders:
    """One worker's."""

    number: int
    """Number among the server's workers, from 0."""
    config: ServerConfig
    pipe: int
    """File descriptor on which the worker says that it serves."""

    def to_environment(self) -> dict[str, str]:
        """Variables on top of the supervisor's."""
        config = dataclasses.asdict(self.config)
        config["state"] = str(self.config.state.root)
        told = {"number": self.number, "config": config, "pipe": self.pipe}
        return {ORDERS_VARIABLE: json.dumps(told)}

    @classmethod
    def take(cls) -> "WorkerOrders":
        """Takes the orders out of the environment. Raises LookupError."""
        told = json.loads(os.environ.pop(ORDERS_VARIABLE))
        config = told["config"]
        config["state"] = StatePaths(root=Path(config["state"]))
        config["bootstrap_servers"] = _kafka(config["bootstrap_servers"])
        config["fold"] = _fold(config["fold"])
        config["rewards"] = _rewards(config["rewards"])
        # No process that the worker starts may keep the pipe open.
        os.set_inheritable(told["pipe"], False)
        return cls(number=told["number"], config=ServerConfig(**config), pipe=told["pipe"])

    @property
    def ready(self) -> Callable[[Listening], None]:
        """Says that the worker serves."""

        def say(listening: Listening) -> None:
            os.write(self.pipe, f"{listening.metrics_port}\n".encode())

        return say


def _kafka(told: str | dict[str, Any]) -> Bootstrap:
    if isinstance(told, str):
        return told
    mechanism = told["mechanism"] and Mechanism(told["mechanism"])
    return SecuredKafka(**told | {"protocol": Protocol(told["protocol"]), "mechanism": mechanism})


def _fold(told: dict[str, Any]) -> FoldConfig:
    """JSON turns keys into text."""
    gaps = {Action(int(action)): gap for action, gap in told["merge_gap_ms"].items()}
    return FoldConfig(**told | {"merge_gap_ms": gaps})


def _rewards(told: dict[str, Any]) -> RewardConfig:
    table = {Outcome(name): worth for name, worth in told["table"].items()}
    return RewardConfig(**told | {"table": table})
