"""What producer, consumer and admin have in common when they talk to a broker."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError, RetriableError

from pagecast.eventlog.bootstrap import Bootstrap, SecuredKafka, addresses
from pagecast.eventlog.errors import BrokerUnavailable, EventLogError, Fenced

CONNECT_TIMEOUT_S = 10.0
"""How long a client waits for its first broker; kafka-python alone says nothing for 30 s."""

REQUEST_TIMEOUT_MS = 10_000
"""A broker that takes longer over a request is treated as gone, and another one is asked."""

RECONNECT_BACKOFF_MS_MAX = 1_000
"""The longest pause between two attempts to reconnect: work goes on within a second."""

_PROBE_PAUSE_S = 0.02


def client_settings(bootstrap: Bootstrap, timeout_s: float = CONNECT_TIMEOUT_S) -> dict[str, Any]:
    """The settings of every kafka-python client; `timeout_s` is for the first answer."""
    security = bootstrap.client_settings() if isinstance(bootstrap, SecuredKafka) else {}
    return {
        **security,
        "bootstrap_servers": str(bootstrap).split(","),
        "bootstrap_timeout_ms": int(timeout_s * 1000),
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "reconnect_backoff_max_ms": RECONNECT_BACKOFF_MS_MAX,
    }


def create_no_topics(cluster: Any) -> None:
    """Keeps a client's metadata requests from creating the topics they name.

    kafka-python 3.0 does not pass `allow_auto_create_topics` on: a client that reconnects to a
    broker that has forgotten its topics would create them, with the wrong partitions.
    """
    cluster.config["allow_auto_create_topics"] = False


def wait_until_reachable(bootstrap: Bootstrap, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
    """Waits until one of the bootstrap servers takes connections. Raises BrokerUnavailable."""
    try:
        brokers = addresses(str(bootstrap))
    except ValueError as error:
        raise EventLogError(str(error)) from error
    deadline = time.monotonic() + timeout_s
    while True:
        for address in brokers:
            try:
                socket.create_connection(address, timeout=timeout_s).close()
            except OSError:
                continue
            return
        if time.monotonic() >= deadline:
            raise BrokerUnavailable(
                f"no broker listens on {bootstrap}: start one, or correct the bootstrap servers"
            )
        time.sleep(_PROBE_PAUSE_S)


@contextmanager
def kafka_errors(doing: str) -> Iterator[None]:
    """Turns what kafka-python raises into the errors of this package."""
    try:
        yield
    except (CommitFailedError, RebalanceInProgressError) as error:
        raise Fenced(f"{doing}: the group gave the partitions to another member") from error
    except RetriableError as error:
        raise BrokerUnavailable(f"{doing}: {error}") from error
    except KafkaError as error:
        raise EventLogError(f"{doing}: {error}") from error
