"""Step 6 of the life of a page: its grammar, (ROW ENTITY+)+, position by position.

A page is a sequence of rows: begin_row, place, place..., end_row. At each position the state says
what may come next; whatever is chosen among it, no rule is broken:

- a row stands at most once on a page, an entity at most once, in whichever row;
- a row begins only if enough of its candidates are still unplaced; a pinned row begins at its
  position and nowhere else, and where one can begin, no other may;
- a BECAUSE row takes the newest argument no other row has taken that leaves it enough candidates;
- a row's first entities come first; a row ends when it is full or its candidates have run out;
- the page ends when it has its rows or no row can begin;
- what stands already counts, whatever the rules say of it now.

Letters in names: N entities, R rows, A arguments, S candidate sets as in `page_rules`, C candidates
of the row in hand.
"""

from enum import Enum

import numpy as np

from pagecast.rules.facts import ROWS_MAX
from pagecast.rules.page_rules import UNPINNED, PageRules
from pagecast.rules.predicates import Indices, Mask
from pagecast.rules.standing_row import StandingRow
from pagecast.v1 import homepage_pb2

NO_ARGUMENT = -1
"""What `begin_row` returns for a row without argument."""


class RuleBrokenError(ValueError):
    """What was to be placed may not stand here; the state is as before."""


class RowEnd(Enum):
    """Why a row ended."""

    FULL = "full"
    CANDIDATES_RAN_OUT = "candidates_ran_out"


class PageState:
    """One page in the making: what stands, and what may come next.

    `rows_ended` rows stand, and `row_entities` entities in the row in hand. `candidates_C` are the
    entities, in ascending order, that could stand in it when it began. `rows_cut_short` counts the
    rows that ended before they were full. Masks must not be written to.
    """

    def __init__(self, rules: PageRules) -> None:
        self.rules = rules
        self.rows_ended = 0
        self.row_entities = 0
        self.rows_cut_short = 0
        self.candidates_C: Indices = np.zeros(0, np.int64)
        self._in_row = False
        self._open_C: Mask = np.zeros(0, bool)
        self._first: list[int] = []
        self._begun_R = np.zeros(len(rules.pin_R), bool)
        self._taken_A = np.zeros(len(rules.arguments_A), bool)
        self._placed_N = np.zeros(rules.candidates_SN.shape[1], bool)
        # One by one: with an axis, numpy counts thirty times slower.
        self._unplaced_S = np.array(
            [np.count_nonzero(set_N) for set_N in rules.candidates_SN], np.int64
        )
        for row in rules.standing:
            self._stand(row)
        self.row_mask_R: Mask = self._rows_that_may_begin()

    @property
    def page_complete(self) -> bool:
        return not self._in_row and not self.row_mask_R.any()

    @property
    def finish_reason(self) -> "homepage_pb2.FinishReason.ValueType":
        """Why the page ended; UNSPECIFIED while it has not."""
        if not self.page_complete:
            return homepage_pb2.FINISH_REASON_UNSPECIFIED
        if self.rows_ended == ROWS_MAX:
            return homepage_pb2.FINISH_REASON_PAGE_FULL
        if self.rows_ended == self.rules.rows_max:
            return homepage_pb2.FINISH_REASON_ROWS
        return homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE

    @property
    def row_complete(self) -> bool:
        return self.row_entities == min(self.rules.entities_per_row, len(self.candidates_C))

    @property
    def entity_mask_C(self) -> Mask:
        """Which candidates of the row in hand may be placed next: one, or all still unplaced."""
        if not self._first:
            return self._open_C
        return np.equal(self.candidates_C, self._first[0])

    @property
    def entity_mask_N(self) -> Mask:
        """The same over all entities."""
        mask_N = np.zeros(len(self._placed_N), bool)
        mask_N[self.candidates_C[self.entity_mask_C]] = True
        return mask_N

    def begin_row(self, row: int) -> int:
        """Begins a row; returns its argument's entity index, or NO_ARGUMENT.

        Raises RuleBrokenError if `row_mask_R` does not allow it.
        """
        if self._in_row or not 0 <= row < len(self.row_mask_R) or not self.row_mask_R[row]:
            raise RuleBrokenError(f"row {row} may not stand at position {self.rows_ended}")
        argument = self._take_argument(row) if self.rules.because_R[row] else None
        candidates = row if argument is None else len(self._begun_R) + argument
        open_N = self.rules.candidates_SN[candidates] & ~self._placed_N
        self.candidates_C = np.flatnonzero(open_N)
        self._open_C = np.ones(len(self.candidates_C), bool)
        first = [entity for entity in self.rules.first_entities[row] if open_N[entity]]
        self._first = first[: self.rules.entities_per_row]
        self._begun_R[row] = True
        self._in_row = True
        self.row_entities = 0
        return NO_ARGUMENT if argument is None else int(self.rules.arguments_A[argument])

    def place(self, entity: int) -> None:
        """Places an entity in the row in hand. Raises RuleBrokenError if it may not stand there."""
        position = int(np.searchsorted(self.candidates_C, entity))
        found = position < len(self.candidates_C) and self.candidates_C[position] == entity
        if not self._in_row or self.row_complete or not found or not self.entity_mask_C[position]:
            raise RuleBrokenError(f"entity {entity} may not stand here in row {self.rows_ended}")
        self._open_C[position] = False
        self._first = self._first[1:]
        self._placed_N[entity] = True
        self._unplaced_S -= self.rules.candidates_SN[:, entity]
        self.row_entities += 1

    def end_row(self) -> RowEnd:
        """Ends the row in hand. Raises RuleBrokenError if it is not complete."""
        if not self._in_row or not self.row_complete:
            raise RuleBrokenError(f"row {self.rows_ended} is not complete")
        full = self.row_entities == self.rules.entities_per_row
        self._in_row = False
        self.rows_ended += 1
        self.rows_cut_short += not full
        self.row_mask_R = self._rows_that_may_begin()
        return RowEnd.FULL if full else RowEnd.CANDIDATES_RAN_OUT

    def _stand(self, row: StandingRow) -> None:
        """Takes note of a row that stands already."""
        entities = list(row.entities)
        self._begun_R[row.row] = True
        self._taken_A |= self.rules.arguments_A == row.argument
        self._placed_N[entities] = True
        self._unplaced_S -= self.rules.candidates_SN[:, entities].sum(axis=1)
        self.rows_ended += 1

    def _rows_that_may_begin(self) -> Mask:
        rules, rows = self.rules, len(self._begun_R)
        if self.rows_ended == rules.rows_max:
            return np.zeros(rows, bool)
        enough_R = self._unplaced_S[:rows] >= rules.entities_min_R
        for row in np.flatnonzero(rules.because_R):
            enough_R[row] = self._newest_argument(int(row)) is not None
        may_R = enough_R & ~self._begun_R
        pinned_R: Mask = may_R & (rules.pin_R == self.rows_ended)
        unpinned_R: Mask = may_R & (rules.pin_R == UNPINNED)
        return pinned_R if pinned_R.any() else unpinned_R

    def _newest_argument(self, row: int) -> int | None:
        unplaced_A = self._unplaced_S[len(self._begun_R) :]
        free_A = ~self._taken_A & (unplaced_A >= self.rules.entities_min_R[row])
        return int(np.argmax(free_A)) if free_A.any() else None

    def _take_argument(self, row: int) -> int | None:
        argument = self._newest_argument(row)
        if argument is not None:
            self._taken_A[argument] = True
        return argument
