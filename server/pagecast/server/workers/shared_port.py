"""A TCP port that several processes of one server listen on, and no other server by accident.

With SO_REUSEPORT the kernel spreads connections over all sockets that listen on a port, no matter
who opened them. So the port is first bound exclusively, and only then opened for sharing.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from pagecast.server.rpc.listening import PortTakenError

FREE_PORT_ATTEMPTS_MAX = 5
"""Another process may take a free port between its being found and held."""

_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""Errors for a name's addresses that this machine lacks, such as localhost's ::1."""


@contextmanager
def held_port(host: str, port: int) -> Iterator[int]:
    """Holds `port`, or a free one for 0, for processes that listen with SO_REUSEPORT.

    It is theirs until the end of the `with` block, whether any of them listens or not; the holder
    itself takes no connection. Raises PortTakenError, and OSError for an invalid host.
    """
    with ExitStack() as sockets:
        attempts = 1 if port else FREE_PORT_ATTEMPTS_MAX
        for attempt in range(1, attempts + 1):
            number = port or _free_port(host)
            try:
                _hold(host, number, sockets)
                break
            except PortTakenError:
                sockets.close()
                if attempt == attempts:
                    raise
        yield number


def _hold(host: str, port: int, sockets: ExitStack) -> None:
    """Holds the port on every address of the host, as grpc listens."""
    found = dict.fromkeys(
        (family, address)
        for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    refused: OSError | None = None
    held = 0
    for family, address in found:
        try:
            holder = sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
            _bind_alone_then_share(holder, address)
            held += 1
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise PortTakenError.of_rpcs(host, port) from error
            refused = error
    if not held:
        raise refused or OSError(f"host {host!r} has no address")


def _bind_alone_then_share(holder: socket.socket, address: tuple[Any, ...]) -> None:
    # Connections left by a server that has just ended do not count...
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(address)
    # ...but a socket that holds the port does, listening or not: then this fails, and if two try at
    # once, for the second one.
    holder.listen(1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # It stays bound but stops listening, or the kernel would give it connections.
    holder.shutdown(socket.SHUT_RDWR)


def _free_port(host: str) -> int:
    family, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as finder:
        finder.bind(address)
        number: int = finder.getsockname()[1]
        return number
