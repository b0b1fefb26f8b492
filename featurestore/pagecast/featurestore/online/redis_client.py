"""The client of a Redis or Valkey server or cluster: addresses, patience, and what errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from pagecast.featurestore.online.store_errors import OnlineStoreAway, OnlineStoreRefused
from pagecast.featurestore.online.store_url import StoreUrl

RedisClient = Redis | RedisCluster

CONNECT_TIMEOUT_S: Final = 1.0
"""A server that is up accepts in milliseconds. A page waits at most a second for a history."""

SOCKET_TIMEOUT_S: Final = 2.0
"""Longer than a healthy server pauses (it forks for a snapshot, or waits for its disk), and short
enough that a worker sees a dead one long before its partitions are taken away."""

CLUSTER_ATTEMPTS_MAX: Final = 1
"""Once more with the cluster's new layout, after a failover. Otherwise the client repeats nothing:
its caller knows whether that is worth it, and two loops of retries multiply."""

_AWAY: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    exceptions.RedisClusterException,
)

_AWAY_REPLIES: Final = ("MISCONF", "BUSY", "NOREPLICAS", "UNKILLABLE", "OOM", "READONLY")
"""First words of replies for which the client has no class, or none when a script meets them: a
disk is full, a script runs too long, too few replicas, no memory, a failover."""

_REFUSED: Final = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
)


def connect(url: StoreUrl) -> RedisClient:
    """A client; a single server is not contacted before the first command.

    Raises OnlineStoreAway or OnlineStoreRefused if a cluster's layout cannot be read.
    """
    options: dict[str, Any] = {
        "username": url.username,
        "password": url.password,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        # To notice a connection that a firewall has forgotten.
        "socket_keepalive": True,
    }
    if url.tls:
        options |= {"ssl": True, "ssl_ca_certs": url.authority_file}
    with translated(url):
        if url.cluster:
            nodes = [ClusterNode(host, port) for host, port in url.hosts]
            retry = Retry(NoBackoff(), CLUSTER_ATTEMPTS_MAX)
            return RedisCluster(startup_nodes=nodes, retry=retry, **options)
        ((host, port),) = url.hosts
        retry = Retry(NoBackoff(), 0)
        return Redis(host=host, port=port, db=url.database, retry=retry, **options)


_NO_CLUSTER: Final = "Cluster mode is not enabled"
"""What the client says of a server that answers, in the exception for one that does not."""

CLIENT_ERRORS: Final = (exceptions.RedisError, exceptions.RedisClusterException)
"""Whatever the client raises."""


@contextmanager
def translated(url: StoreUrl) -> Iterator[None]:
    """Raises OnlineStoreAway or OnlineStoreRefused for what the client raises."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise translate(url, error) from error


def translate(url: StoreUrl, error: Exception) -> OnlineStoreAway | OnlineStoreRefused:
    """What an error of the client means; the message names the server and never the password."""
    reasons = (error, error.__cause__)
    text = f"online store {url}: {error}"
    if any(isinstance(reason, _REFUSED) for reason in reasons):
        return OnlineStoreRefused(f"{text}; mend user and password in online_store_url")
    if _NO_CLUSTER in str(error):
        return OnlineStoreRefused(f"{text}; name a single server redis://")
    if isinstance(error, _AWAY) or str(error).startswith(_AWAY_REPLIES):
        return OnlineStoreAway(text)
    if isinstance(error, exceptions.ResponseError):
        return OnlineStoreRefused(f"{text}; is it another program's server or database?")
    return OnlineStoreRefused(text)
