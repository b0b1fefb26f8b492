"""Clients are told apart by the name they give, and else by the machine they call from."""

from dataclasses import dataclass

import pytest

from pagecast.server.rpc.clients import CLIENT_CHARACTERS_MAX, client_of


@dataclass
class Context:
    """What is asked of an RPC's context."""

    address: str
    metadata: tuple[tuple[str, str | bytes], ...] | None = None

    def peer(self) -> str:
        return self.address

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:
        return self.metadata


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("ipv4:10.0.0.7:53124", "ipv4:10.0.0.7"),
        ("ipv6:%5B::1%5D:53124", "ipv6:%5B::1%5D"),
        ("unix:/run/pagecast.sock", "unix:/run/pagecast.sock"),
        ("unix:", "unix:"),
    ],
)
def test_a_machine_is_one_client_whatever_its_port(address: str, client: str) -> None:
    assert client_of(Context(address)) == client
    assert client_of(Context(address, (("user-agent", "grpc"), ("x-client-id", "")))) == client


def test_a_name_counts_before_the_machine() -> None:
    named = Context("ipv4:10.0.0.7:1", (("x-client-id", "tv-app"),))
    assert client_of(named) == "id:tv-app"
    assert client_of(Context("ipv4:10.0.0.8:1", named.metadata)) == client_of(named)


def test_a_name_is_never_taken_for_a_machine_and_is_bounded() -> None:
    liar = Context("ipv4:10.0.0.7:1", (("x-client-id", "ipv4:10.0.0.8"),))
    assert client_of(liar) != client_of(Context("ipv4:10.0.0.8:1"))
    long = Context("ipv4:10.0.0.7:1", (("x-client-id", "x" * 10_000),))
    assert client_of(long) == "id:" + "x" * CLIENT_CHARACTERS_MAX
