"""Sets of entities that are worked out once and kept for later pages."""

import threading
from collections.abc import Callable, Hashable

from pagecast.rules.bitsets import Words


class KeptSets:
    """Sets by key, at most `most` of them; the one kept longest goes first.

    Two threads may work out the same set at the same time; both get equal sets. A kept set must not
    be written to. (No `lru_cache` on methods: it would hold on to their catalog.)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sets: dict[Hashable, Words] = {}
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._sets)

    def get(self, key: Hashable, find: Callable[[], Words]) -> Words:
        """The set of that key, worked out by `find` if it is not kept."""
        kept_W = self._sets.get(key)
        if kept_W is None:
            kept_W = find()
            kept_W.flags.writeable = False
            with self._changing:
                if len(self._sets) >= self._most:
                    del self._sets[next(iter(self._sets))]
                self._sets[key] = kept_W
        return kept_W
