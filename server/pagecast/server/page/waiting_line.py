"""Who waits for a slot: the oldest page of each client in turn, so that none starves the others."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class WaitingLine(Generic[T]):
    """Clients in the order of their turns, each with what waits of it, in order of arrival."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0
        self._staying: set[T] = set()

    def __len__(self) -> int:
        return self._length

    @property
    def movable(self) -> int:
        """Those who may have to make room for others."""
        return self._length - len(self._staying)

    def join(self, client: str, one: T, *, stays: bool = False) -> None:
        """Puts it behind what already waits of its client; a client new to the line comes last.

        One that `stays` makes room for nobody.
        """
        if stays:
            self._staying.add(one)
        self._clients.setdefault(client, deque()).append(one)
        self._length += 1

    def next(self) -> T:
        """Takes out the oldest of the client whose turn it is; somebody must wait."""
        client, waiting = next(iter(self._clients.items()))
        one = waiting.popleft()
        self._clients.move_to_end(client)
        self._shrunk(client, one)
        return one

    def leave(self, client: str, one: T) -> bool:
        """Takes it out, if it is in."""
        waiting = self._clients.get(client, ())
        if one not in waiting:
            return False
        self._clients[client].remove(one)
        self._shrunk(client, one)
        return True

    def could_make_room(self, client: str) -> bool:
        """Whether `make_room` would make room; takes out nobody."""
        return self._newest_of_most(client) is not None

    def make_room(self, client: str) -> T | None:
        """Takes out the newest of the client with most waiting, for a client with fewer waiting.

        None if that would only swap the two: then the client itself is to be refused.
        """
        found = self._newest_of_most(client)
        if found is None:
            return None
        self.leave(*found)
        return found[1]

    def _newest_of_most(self, client: str) -> tuple[str, T] | None:
        """With its client; None if `client` has as many waiting, or only one fewer."""
        most = max(self._clients, key=lambda one: len(self._movable_of(one)), default=client)
        movable = self._movable_of(most)
        if len(movable) < len(self._movable_of(client)) + 2:
            return None
        return most, movable[-1]

    def _movable_of(self, client: str) -> list[T]:
        return [one for one in self._clients.get(client, ()) if one not in self._staying]

    def _shrunk(self, client: str, one: T) -> None:
        self._length -= 1
        self._staying.discard(one)
        if not self._clients[client]:
            del self._clients[client]
