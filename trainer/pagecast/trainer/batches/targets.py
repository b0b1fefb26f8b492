"""What hidden positions are to predict.

Letters: J hidden positions that predict an entity, K their targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Entities that hidden positions are to predict; a position may have several, or none.

    `at_J` are positions, `of_K` indexes J, `entity_K` holds catalog indices. The weights of one
    position's targets add up to the engagement expected there.
    """

    at_J: npt.NDArray[np.int64]
    of_K: npt.NDArray[np.int64]
    entity_K: npt.NDArray[np.int64]
    weight_K: npt.NDArray[np.float32]

    @classmethod
    def of(cls, at: Sequence[int], chosen: Sequence[Mapping[int, float]], decay: float) -> Self:
        """`chosen` are weights by entity, each `decay` times the one before."""
        of: list[int] = []
        entities: list[int] = []
        weights: list[float] = []
        for number, by_entity in enumerate(chosen):
            shares = [decay**i for i in range(len(by_entity))]
            total = sum(shares)
            of += [number] * len(by_entity)
            entities += by_entity
            weights += [w * s / total for w, s in zip(by_entity.values(), shares, strict=True)]
        return cls(
            at_J=np.array(at, np.int64),
            of_K=np.array(of, np.int64),
            entity_K=np.array(entities, np.int64),
            weight_K=np.array(weights, np.float32),
        )

    @classmethod
    def joined(cls, parts: Sequence["Targets"], offsets: Sequence[int]) -> Self:
        """One after the other, each part's positions moved by its offset."""
        none = cls.of((), (), 1.0)
        parts, offsets = [none, *parts], [0, *offsets]
        before = np.cumsum([0, *(len(part.at_J) for part in parts)])
        return cls(
            at_J=np.concatenate([p.at_J + o for p, o in zip(parts, offsets, strict=True)]),
            of_K=np.concatenate([p.of_K + b for p, b in zip(parts, before, strict=False)]),
            entity_K=np.concatenate([p.entity_K for p in parts]),
            weight_K=np.concatenate([p.weight_K for p in parts]),
        )
