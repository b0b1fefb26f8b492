"""Keys and values of one page's positions, in buffers that never grow and are used again.

Letters in names: L layers, B batch (1), H key/value heads, P past positions, S new ones, K head
width.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.manifest import ModelShape

POSITIONS_TOGETHER = 256
"""Buffers are sized in multiples of this, so that the next page's, a little longer, fits too."""

CACHES_KEPT_MAX = 4
"""Buffers kept for the next pages: a few more than slots, a few megabytes each."""


class KvCache:
    """The cache of one page: at most `positions_max` positions, `positions` of them filled.

    A filled part of the buffer is not contiguous and onnxruntime takes nothing else, so it is
    copied to a second buffer before a run (0.1 ms for 500 positions of 3 layers with 2 heads).
    """

    def __init__(self, shape: ModelShape, positions_max: int) -> None:
        self.positions = 0
        self.positions_max = positions_max
        buffer = (shape.layers, 1, shape.kv_heads, positions_max, shape.head_dim)
        self._keys_LBHPK: FloatArray = np.empty(buffer, np.float32)
        self._values_LBHPK: FloatArray = np.empty(buffer, np.float32)
        self._packed_keys: FloatArray = np.empty(self._keys_LBHPK.size, np.float32)
        self._packed_values: FloatArray = np.empty(self._values_LBHPK.size, np.float32)

    @property
    def size_bytes(self) -> int:
        return 4 * self._keys_LBHPK.nbytes

    def clear(self) -> None:
        self.positions = 0

    def extend(self, keys_LBHSK: FloatArray, values_LBHSK: FloatArray) -> None:
        """Appends new positions. Raises EngineError beyond `positions_max`."""
        until = self.positions + keys_LBHSK.shape[3]
        if until > self.positions_max:
            raise EngineError(f"a page of {until} positions, its cache holds {self.positions_max}")
        self._keys_LBHPK[:, :, :, self.positions : until] = keys_LBHSK
        self._values_LBHPK[:, :, :, self.positions : until] = values_LBHSK
        self.positions = until

    def take_back(self, positions: int) -> None:
        """Forgets the newest positions."""
        self.positions -= positions

    def past(self) -> tuple[FloatArray, FloatArray]:
        """Keys and values of the filled positions, contiguous; good until the next call."""
        return (
            _packed(self._keys_LBHPK[:, :, :, : self.positions], self._packed_keys),
            _packed(self._values_LBHPK[:, :, :, : self.positions], self._packed_values),
        )


class CachePool:
    """Lends caches of one model's shape; any number of threads may borrow at once."""

    def __init__(self, shape: ModelShape) -> None:
        self._shape = shape
        self._free: deque[KvCache] = deque(maxlen=CACHES_KEPT_MAX)

    @contextmanager
    def borrow(self, positions: int) -> Iterator[KvCache]:
        """A cleared cache for at least so many positions, nobody else's until it is given back."""
        cache = self._take(positions)
        cache.clear()
        try:
            yield cache
        finally:
            self._free.append(cache)

    def _take(self, positions: int) -> KvCache:
        try:
            cache = self._free.pop()
        except IndexError:
            cache = None
        if cache is not None and cache.positions_max >= positions:
            return cache
        rounded = -(-positions // POSITIONS_TOGETHER) * POSITIONS_TOGETHER
        return KvCache(self._shape, rounded)


def _packed(filled: FloatArray, buffer: FloatArray) -> FloatArray:
    packed = buffer[: filled.size].reshape(filled.shape)
    np.copyto(packed, filled)
    return packed
