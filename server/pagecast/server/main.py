"""The process of a server: its event loop and its signals."""

import sys
from collections.abc import Callable

import uvloop

from pagecast.server.app import PagecastServer
from pagecast.server.config import ServerConfig
from pagecast.server.rpc.listening import Listening
from pagecast.server.signals import end_wanted


async def serve(config: ServerConfig, ready: Callable[[Listening], None]) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal cuts what is in flight.

    `ready` is called once, when requests are answered. Raises PortTakenError, and what the stores
    raise if they cannot be opened.
    """
    with end_wanted() as end:
        server = PagecastServer(config)
        listening = await server.start()
        try:
            ready(listening)
            await end.asked.wait()
        finally:
            await server.drain(end.insisted)


SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the GIL from one that waits for it. At Python's default of 5 ms the
decode loop would lose several steps to every page that is being prepared."""


def run(config: ServerConfig, ready: Callable[[Listening], None]) -> None:
    """`serve` in an event loop of its own."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(serve(config, ready))
