"""Post-training's targets at the hidden positions of a packed batch.

Letters: V things said of entities, W of rows; B windows, L positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Value(NamedTuple):
    """A row or entity, by catalog index, at the position where it could be chosen."""

    token: int
    label: float
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowValues:
    """What is said where a row could be chosen, and where each of its entities could be."""

    row: tuple[Value, ...]
    entities: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ValueTargets:
    """`at_V` index the flattened B x L hidden positions, `token_V` the catalog."""

    at_V: npt.NDArray[np.int64]
    token_V: npt.NDArray[np.int64]
    label_V: npt.NDArray[np.float32]
    weight_V: npt.NDArray[np.float32]

    @property
    def weight(self) -> float:
        """Of all together: what their loss is divided by."""
        return float(self.weight_V.sum())


@dataclass(frozen=True, kw_only=True)
class Valued:
    """What is said of entities and of rows; nothing in pretraining."""

    entities: ValueTargets
    rows: ValueTargets


class ValuedPositions:
    """Collects the targets; hidden positions are (window, position) until `finish`."""

    def __init__(self) -> None:
        self._entities: list[tuple[int, int, Value]] = []
        self._rows: list[tuple[int, int, Value]] = []

    def add_entities(self, window: int, at: int, values: Sequence[Sequence[Value]]) -> None:
        self._entities += [(window, at, value) for of_entity in values for value in of_entity]

    def add_row(self, window: int, at: int, values: Sequence[Value]) -> None:
        self._rows += [(window, at, value) for value in values]

    def finish(self, length: int) -> Valued:
        """With the batch's length known, positions become indices."""
        return Valued(entities=_targets(self._entities, length), rows=_targets(self._rows, length))


def _targets(said: Sequence[tuple[int, int, Value]], length: int) -> ValueTargets:
    return ValueTargets(
        at_V=np.array([window * length + at for window, at, _ in said], np.int64),
        token_V=np.array([value.token for *_, value in said], np.int64),
        label_V=np.array([value.label for *_, value in said], np.float32),
        weight_V=np.array([value.weight for *_, value in said], np.float32),
    )
