"""A port is held for several processes, and by one server only."""

import socket

import pytest

from pagecast.server.rpc.listening import PortTakenError
from pagecast.server.workers.shared_port import held_port

HOST = "127.0.0.1"


def listener(port: int, *, shared: bool) -> socket.socket:
    """As grpc opens one."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        one.bind((HOST, port))
        one.listen(64)
    except OSError:
        one.close()
        raise
    one.settimeout(5)
    return one


def test_connections_go_to_those_who_share_it_and_not_to_the_holder() -> None:
    with held_port(HOST, 0) as port, listener(port, shared=True) as first:
        for _ in range(8):
            with socket.create_connection((HOST, port), 5):
                first.accept()[0].close()
        with listener(port, shared=True):
            pass


def test_nobody_is_there_before_the_first_listens() -> None:
    with held_port(HOST, 0) as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), 5)


@pytest.mark.parametrize("anybody_listens", [False, True])
def test_another_holder_is_told_that_it_is_taken(anybody_listens: bool) -> None:
    with held_port(HOST, 0) as port:
        worker = listener(port, shared=True) if anybody_listens else socket.socket()
        taken = pytest.raises(PortTakenError, match=f"port {port} of {HOST} is taken")
        with worker, taken, held_port(HOST, port):
            pass


def test_who_does_not_share_cannot_have_it() -> None:
    with held_port(HOST, 0) as port, pytest.raises(OSError, match="in use"):
        listener(port, shared=False)


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_somebody_listens_on_cannot_be_held(shared: bool) -> None:
    with listener(0, shared=shared) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError), held_port(HOST, port):
            pass


def test_it_can_be_held_again_though_connections_of_before_linger() -> None:
    with (
        held_port(HOST, 0) as port,
        listener(port, shared=True) as worker,
        socket.create_connection((HOST, port), 5),
    ):
        worker.accept()[0].close()  # who closes first lingers in TIME_WAIT
    with held_port(HOST, port) as again:
        assert again == port


def test_localhost_is_held_on_each_of_its_addresses() -> None:
    with held_port("localhost", 0) as port:
        for *_, address in socket.getaddrinfo("localhost", port, type=socket.SOCK_STREAM):
            with pytest.raises(PortTakenError), held_port(address[0], port):
                pass
