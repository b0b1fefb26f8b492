"""Decodes a page again along recorded choices, and compares each with what would be picked now.

So one choice that comes out differently does not make everything after it incomparable. A page that
was decoded in fp32 comes out as recorded; one that was served quantised may differ where the
quantised logits put another token first.

Letters in names: V what competes: rows or candidates; `masked_V` as in `picking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.engine.choice import Choice
from pagecast.engine.graph import FloatArray
from pagecast.engine.picking import Picker, Place
from pagecast.rules.predicates import Indices
from pagecast.rules.standing_row import StandingRow


class NotAllowedError(ValueError):
    """A recorded token may not stand where it was recorded: the rules are not the page's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A token that was followed. `recorded` and `picked` are rows or entities of the snapshot.

    `picked` is None if another one would be picked but it is unknown which (`following_ids`).
    """

    place: Place
    recorded: int
    picked: int | None
    near_tie: bool
    log_probability: float

    @property
    def same(self) -> bool:
        return self.recorded == self.picked


class Following:
    """A picker that takes what was recorded, from the row position `first` on; `tokens` grows."""

    def __init__(self, picker: Picker, rows: Sequence[StandingRow], first: int) -> None:
        self.tokens: list[Followed] = []
        self._picker = picker
        self._rows = rows
        self._first = first

    def pick(self, masked_V: FloatArray, place: Place, tokens_V: Indices | None) -> Choice:
        """Raises NotAllowedError."""
        picked = self._picker.pick(masked_V, place, tokens_V)
        recorded = self._recorded(place)
        position = recorded if tokens_V is None else int(np.searchsorted(tokens_V, recorded))
        competes = position < len(masked_V) and (tokens_V is None or tokens_V[position] == recorded)
        if not (competes and masked_V[position] > -np.inf):
            raise NotAllowedError(f"index {recorded} may not stand at {tuple(place)}")
        log_probability = self._picker.log_probability(masked_V, position)
        self.tokens.append(
            Followed(
                place=place,
                recorded=recorded,
                picked=int(picked.position if tokens_V is None else tokens_V[picked.position]),
                near_tie=picked.near_tie,
                log_probability=log_probability,
            )
        )
        return Choice(position=position, log_probability=log_probability)

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        return self._picker.log_probability(masked_V, position)

    def expects(self, row_position: int) -> Sequence[int]:
        """8-bit weights may have shortlisted an entity that is not on this shortlist."""
        return self._rows[row_position - self._first].entities

    def _recorded(self, place: Place) -> int:
        row = self._rows[place.row - self._first]
        if place.token > len(row.entities):
            raise NotAllowedError(f"the row at {place.row} would go on behind its last entity")
        return row.row if place.token == 0 else row.entities[place.token - 1]
