"""The real data that members are made of: what people took up, and what is known of entities.

Letters: U people, E entities, N interactions, K factors, G genres.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PEOPLE_MIN = 3
"""Fewer have no taste that a factorisation could find."""


class DataTooSmall(ValueError):  # noqa: N818 - named by what is wrong
    """The data cannot make members."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What people took up. Raises DataTooSmall.

    `value_N` is how much they liked it, above 0 and at most 1; pairs are distinct, in the order of
    time.
    """

    entity_ids: tuple[str, ...]
    genres: tuple[tuple[str, ...], ...]
    """Of each entity."""
    user_N: Ints
    entity_N: Ints
    value_N: Floats

    def __post_init__(self) -> None:
        if self.people < PEOPLE_MIN or len(set(self.entity_N.tolist())) < PEOPLE_MIN:
            raise DataTooSmall(
                f"the data has interactions of {self.people} people: members are made of "
                f"{PEOPLE_MIN} or more who took up {PEOPLE_MIN} or more entities"
            )

    @property
    def people(self) -> int:
        return int(self.user_N.max(initial=-1)) + 1

    @property
    def sha256(self) -> str:
        """Of all of it: other data make other members."""
        digest = hashlib.sha256(repr((self.entity_ids, self.genres)).encode())
        for column in (self.user_N, self.entity_N, self.value_N):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def matrix_UE(self) -> Floats:
        """The values as a dense matrix: 50 MB for MovieLens 100K's 943 x 1,682 and its copies."""
        value_UE = np.zeros((self.people, len(self.entity_ids)))
        value_UE[self.user_N, self.entity_N] = self.value_N
        return value_UE
