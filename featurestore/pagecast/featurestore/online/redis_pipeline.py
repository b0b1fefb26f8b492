"""Many calls in few round trips, to one server or to the nodes of a cluster.

If a node does not answer, the cluster client's own pipeline repeats each of its calls separately:
with a thousand calls and a time limit each, that is a storm. Here a node's first failure ends the
batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from redis import Redis, exceptions
from redis.cluster import RedisCluster

from pagecast.featurestore.online.redis_client import RedisClient
from pagecast.featurestore.online.redis_scripts import sha_of

PIPELINE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of one round trip: both sides hold them in memory, and the socket's time limit is for a
part of it. Larger ones are not faster."""

PIPELINE_CALLS_MAX: Final = 500
"""Calls of one round trip: the server holds all their replies, for reads 16 KB each."""


class Call(NamedTuple):
    """One command on one key, or on keys of the same slot."""

    key: bytes
    arguments: tuple[Any, ...]
    """After the command's name, or after a script's count of keys."""
    size: int = 0
    """Bytes of the value in it, if it is large."""


def run(client: RedisClient, command: str, calls: Sequence[Call]) -> list[Any]:
    """The replies to one command for each call, in order. Raises the first error among them."""
    return _run(client, (command,), calls, None)


def run_script(client: RedisClient, script: str, keys: int, calls: Sequence[Call]) -> list[Any]:
    """The same for a script of `keys` keys, sent only to a server that does not have it."""
    return _run(client, ("EVALSHA", sha_of(script), keys), calls, script)


def _run(
    client: RedisClient, head: tuple[Any, ...], calls: Sequence[Call], script: str | None
) -> list[Any]:
    replies: list[Any] = [None] * len(calls)
    for node, indices in _by_node(client, calls):
        for chunk in _chunks(calls, indices):
            commands = [head + calls[i].arguments for i in chunk]
            for i, reply in zip(chunk, _on_node(client, node, commands, script), strict=True):
                replies[i] = reply
    return replies


def _by_node(client: RedisClient, calls: Sequence[Call]) -> list[tuple[Redis, Sequence[int]]]:
    if isinstance(client, Redis):
        return [(client, range(len(calls)))]
    indices: dict[str, list[int]] = {}
    nodes = {}
    for i, call in enumerate(calls):
        node = client.get_node_from_key(call.key)
        if node is None:
            raise exceptions.RedisClusterException("no node of the cluster has the slot of a key")
        nodes[node.name] = node
        indices.setdefault(node.name, []).append(i)
    return [(client.get_redis_connection(nodes[name]), of) for name, of in indices.items()]


def _chunks(calls: Sequence[Call], indices: Sequence[int]) -> Iterator[list[int]]:
    chunk: list[int] = []
    size = 0
    for i in indices:
        if chunk and (
            size + calls[i].size > PIPELINE_BYTES_MAX or len(chunk) >= PIPELINE_CALLS_MAX
        ):
            yield chunk
            chunk, size = [], 0
        chunk.append(i)
        size += calls[i].size
    if chunk:
        yield chunk


def _on_node(
    client: RedisClient, node: Redis, commands: list[tuple[Any, ...]], script: str | None
) -> list[Any]:
    try:
        replies = _round_trip(node, commands)
        if script is not None and any(
            isinstance(reply, exceptions.NoScriptError) for reply in replies
        ):
            node.script_load(script)
            replies = _round_trip(node, commands)
    except (exceptions.ConnectionError, exceptions.TimeoutError):
        if isinstance(client, RedisCluster):
            # The next batch finds the node that has taken over, if there is one by then.
            with suppress(exceptions.RedisError, exceptions.RedisClusterException):
                client.nodes_manager.initialize()
        raise
    for i, reply in enumerate(replies):
        if isinstance(reply, exceptions.AskError) and isinstance(client, RedisCluster):
            replies[i] = client.execute_command(*_anywhere(commands[i], script))
        elif isinstance(reply, exceptions.ResponseError):
            raise reply
    return replies


def _round_trip(node: Redis, commands: list[tuple[Any, ...]]) -> list[Any]:
    with node.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        # Raised by the pipeline, an error's message would hold the command and so the user.
        return pipe.execute(raise_on_error=False)


def _anywhere(command: tuple[Any, ...], script: str | None) -> tuple[Any, ...]:
    """A call that moved to another node, which may not know the script."""
    return command if script is None else ("EVAL", script, *command[2:])
