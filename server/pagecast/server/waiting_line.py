"""Who waits for a slot: the oldest page of each client in turn, so that none starves the others."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class WaitingLine(Generic[T]):
    """Clients in the order of their turns; of each, what waits in the order it came."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def join(self, client: str, one: T) -> None:
        """Behind what else waits of its client, which has its turn after those before it."""
        self._clients.setdefault(client, deque()).append(one)
        self._length += 1

    def next(self) -> T:
        """Takes out the oldest of the client whose turn it is; somebody must wait."""
        client, waiting = next(iter(self._clients.items()))
        one = waiting.popleft()
        self._clients.move_to_end(client)
        self._shrunk(client)
        return one

    def leave(self, client: str, one: T) -> bool:
        """Takes it out, if it is in."""
        waiting = self._clients.get(client, ())
        if one not in waiting:
            return False
        self._clients[client].remove(one)
        self._shrunk(client)
        return True

    def make_room(self, client: str) -> T | None:
        """Takes out the newest of who waits with most, for a client who waits with less.

        None if that would only change places: then the client itself is to be refused.
        """
        most = max(self._clients, key=lambda one: len(self._clients[one]), default=client)
        if len(self._clients.get(most, ())) < len(self._clients.get(client, ())) + 2:
            return None
        pushed_out = self._clients[most].pop()
        self._shrunk(most)
        return pushed_out

    def _shrunk(self, client: str) -> None:
        self._length -= 1
        if not self._clients[client]:
            del self._clients[client]
