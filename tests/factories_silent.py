"""A host that accepts connections and answers nothing, as a database that hangs does."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_host() -> Iterator[int]:
    """Its port; the kernel accepts, and nobody reads."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


def silent_postgresql(port: int) -> str:
    """The URL of one."""
    return f"postgresql+psycopg://pagecast@127.0.0.1:{port}/pagecast"
