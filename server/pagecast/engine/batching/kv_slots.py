"""Keys and values of all pages being decoded, in buffers made once and written in place.

A slot is one page's place. onnxruntime reads and writes neighbouring slots as one batch, by
pointer: nothing is allocated and nothing copied from step to step (docs/adr/0012).

Letters in names: N slots, H key/value heads, C positions a slot has room for, K head width,
P positions of a prefix, Y caches of the model (the keys of each layer, then the values of each).
"""

import numpy as np
import numpy.typing as npt

from pagecast.engine.bundles.manifest import ModelShape
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray


def cache_names(layers: int) -> tuple[str, ...]:
    """The caches of a decode graph in the order of its inputs; outputs have `new_` before them."""
    return tuple(f"{kind}_{layer}_BHCK" for kind in ("keys", "values") for layer in range(layers))


class KvSlots:
    """The buffers of `slots` pages of one model; slot i holds `filled_N[i]` positions.

    The system hands out memory when a position is first written. numpy asks it for pages of 2 MB,
    which make a step of many slots faster; where the system has them, a slot in use costs about as
    much as it has room for, however short its pages.
    """

    def __init__(self, shape: ModelShape, slots: int) -> None:
        self.positions_max = shape.positions_max
        self.filled_N: npt.NDArray[np.int32] = np.zeros(slots, np.int32)
        buffer = (slots, shape.kv_heads, shape.positions_max, shape.head_dim)
        self.caches: dict[str, FloatArray] = {
            name: np.empty(buffer, np.float32) for name in cache_names(shape.layers)
        }

    @property
    def slots(self) -> int:
        return len(self.filled_N)

    def check_room(self, slot: int, positions: int) -> None:
        """Raises EngineError if the slot has no room for `positions` more."""
        until = int(self.filled_N[slot]) + positions
        if until > self.positions_max:
            raise EngineError(f"a page of {until} positions, a slot holds {self.positions_max}")

    def prefix(self, slot: int, positions: int) -> FloatArray:
        """A copy [Y, H, P, K] of the first positions of a slot."""
        return np.stack([cache[slot, :, :positions] for cache in self.caches.values()])

    def begin(self, slot: int, prefix_YHPK: FloatArray | None = None) -> None:
        """Empties a slot and fills it with a prefix."""
        positions = 0 if prefix_YHPK is None else prefix_YHPK.shape[2]
        self.filled_N[slot] = positions
        if prefix_YHPK is not None:
            for cache, part_HPK in zip(self.caches.values(), prefix_YHPK, strict=True):
                cache[slot, :, :positions] = part_HPK
