"""What RPCs ask of the database of models, trainings and experiments.

In threads of their own, so that one that hangs holds up no other RPC; its client is told in time.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from pagecast.server.rpc.bounded_calls import BoundedCalls
from pagecast.server.rpc.errors import registry_unavailable

REGISTRY_THREADS = 4
"""RPCs that ask at once, for milliseconds each: all watches together ask 200 times a second."""

ANSWER_TIME_MAX_S = 10.0
"""After this the client is told, unless its deadline is sooner: by then whatever holds a lock that
a change waits for is done."""

T = TypeVar("T")


class RegistryCalls:
    """Lives in the event loop. Call `close` in the end."""

    def __init__(self) -> None:
        self._calls = BoundedCalls("registry", REGISTRY_THREADS)

    async def answer(self, ask: Callable[[], T]) -> T:
        """Returns or raises what `ask` does; raises Refusal (REGISTRY_UNAVAILABLE) if the database
        is away, or does not answer in time."""
        try:
            return await self._calls.awaited(ask, ANSWER_TIME_MAX_S)
        except (SQLAlchemyError, TimeoutError) as error:
            raise registry_unavailable() from error

    def close(self) -> None:
        """Does not wait for a database that hangs."""
        self._calls.close()
