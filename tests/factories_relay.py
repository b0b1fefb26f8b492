"""A relay before a PostgreSQL server, which can be made to hang as a server may: it takes
connections and bytes, and answers nothing."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from factories_postgres import PostgresServer


class Relay:
    """Passes bytes on, both ways, unless it hangs."""

    def __init__(self, server: PostgresServer) -> None:
        self._address = str(server.home / ".s.PGSQL.5432")
        self._passing = _passing()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._begin(self._accept)

    def url(self, database: str) -> str:
        port = self._listening.getsockname()[1]
        return f"postgresql+psycopg://pagecast@127.0.0.1:{port}/{database}"

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """What it was sent meanwhile is passed on afterwards, and not lost."""
        self._passing.clear()
        try:
            yield
        finally:
            self._passing.set()

    @contextmanager
    def replaced(self) -> Iterator[None]:
        """Connections that are open hang; new ones are served, as by another server."""
        before, self._passing = self._passing, _passing()
        before.clear()
        try:
            yield
        finally:
            before.set()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listening, *self._ends):
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            self._ends += [client, server]
            server.connect(self._address)
            self._begin(_pass_on, self._passing, client, server)
            self._begin(_pass_on, self._passing, server, client)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _passing() -> threading.Event:
    passing = threading.Event()
    passing.set()
    return passing


def _pass_on(passing: threading.Event, source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            passing.wait()
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def relayed(server: PostgresServer) -> Iterator[Relay]:
    """A relay that lives as long as the block."""
    relay = Relay(server)
    try:
        yield relay
    finally:
        relay.close()
