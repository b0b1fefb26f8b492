"""Content embeddings as the catalog keeps them in memory: directions in half precision.

Letters: C dimensions of a content embedding.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_HALF = np.dtype("<f2")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentVector:
    """The direction of a named content embedding.

    Only directions are comparable between sources, and in half precision a component of a unit
    vector is off by at most 1/2048 of itself: so a catalog of a million entities holds two bytes a
    dimension. The database keeps what the operator sent.
    """

    name: str
    half: bytes
    """Unit length, little-endian float16."""

    @property
    def dimensions(self) -> int:
        return len(self.half) // _HALF.itemsize

    @property
    def values_C(self) -> npt.NDArray[np.float16]:
        return np.frombuffer(self.half, _HALF)


def content_vector(
    name: str, values: Sequence[float] | npt.NDArray[np.floating]
) -> ContentVector | None:
    """The direction of `values`; None if they have none, being all zeros."""
    values_C = np.asarray(values, np.float64)
    length = float(np.linalg.norm(values_C))
    if length == 0.0:
        return None
    half_C = (values_C / length).astype(_HALF)
    return ContentVector(name=sys.intern(name), half=half_C.tobytes())
