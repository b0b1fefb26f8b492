"""Who asks: the clients that the waiting line is fair to.

Nobody is authenticated. A client is who it says it is, and otherwise the machine it calls from.
"""

from typing import Any

CLIENT_ID = "x-client-id"
"""Metadata in which a client, or its gateway, names it: many may be behind one address."""

CLIENT_CHARACTERS_MAX = 64
"""Length of a name; a longer one is cut. It is kept in memory for as long as a page waits."""


def client_of(context: Any) -> str:
    """The client of an RPC: `x-client-id` of its metadata, or else the host of its peer, without
    the port, so that more connections are not more clients."""
    for name, value in context.invocation_metadata() or ():
        if name == CLIENT_ID and isinstance(value, str) and value:
            return f"id:{value[:CLIENT_CHARACTERS_MAX]}"
    # "ipv4:10.0.0.7:53124", "ipv6:%5B::1%5D:53124", "unix:/run/pagecast"
    kind, _, address = context.peer().partition(":")
    return f"{kind}:{address.rpartition(':')[0]}" if kind in ("ipv4", "ipv6") else context.peer()
