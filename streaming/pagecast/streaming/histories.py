"""The histories that an ingest worker holds, so that it does not read them for every event."""

from collections import OrderedDict
from collections.abc import Iterable

from pagecast.featurestore.history.history import History

HISTORIES_HELD_MAX = 16_384
"""A full history takes about 30 KB of memory here: 500 MB at worst. It must be more than a batch
has users, or every batch would read again what the one before has dropped."""


class HeldHistories:
    """Histories by user id; when there are too many, the least recently used are dropped.

    The worker that owns a user's partition is the only writer, so what it holds is what is stored.
    Whenever that may be untrue (partitions moved, anything failed), drop it.
    """

    def __init__(self, histories_max: int = HISTORIES_HELD_MAX) -> None:
        self._histories_max = histories_max
        self._histories: OrderedDict[str, History] = OrderedDict()

    def __len__(self) -> int:
        return len(self._histories)

    def take(self, user_id: str) -> History | None:
        """Takes out the history: until it is written again, it may change."""
        return self._histories.pop(user_id, None)

    def hold(self, histories: Iterable[History]) -> None:
        for history in histories:
            self._histories[history.user_id] = history
        while len(self._histories) > self._histories_max:
            self._histories.popitem(last=False)

    def drop_all(self) -> None:
        self._histories.clear()
