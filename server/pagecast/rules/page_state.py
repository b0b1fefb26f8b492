"""Step 6 of the life of a page: its grammar, (ROW ENTITY+)+, position by position.

A page is a sequence of rows: begin_row, place, place..., end_row. At each position the state says
what may come next; whichever of it is chosen, no rule is broken:

- a row stands at most once on a page, an entity at most once, whatever the row;
- a row begins only if enough of its candidates are unplaced and within the caps; a pinned row
  begins at its position and nowhere else, and where one can begin, no other may;
- a BECAUSE row takes the newest argument not taken by another row that leaves it enough candidates;
- a row's first entities come first, unless a cap holds them back; a row ends when it is full or
  nothing more may stand in it;
- the page ends when it has its rows or no row can begin;
- what already stands counts, whatever the rules say about it now.

Letters in names: N entities, R rows, A arguments, G groups of kinds, W words of 64 entities, C
candidates of the row in hand.
"""

from enum import Enum

import numpy as np

from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.facts import ROWS_MAX
from pagecast.rules.page_rules import UNPINNED, PageRules
from pagecast.rules.predicates import Indices, Mask
from pagecast.rules.standing_row import StandingRow
from pagecast.v1 import homepage_pb2

NO_ARGUMENT = -1
"""What `begin_row` returns for a row without argument."""


class RuleBrokenError(ValueError):
    """Something to be placed may not stand here; the state is as before."""


class RowEnd(Enum):
    """Why a row ended."""

    FULL = "full"
    CANDIDATES_RAN_OUT = "candidates_ran_out"
    CAPPED = "capped"
    """Candidates were left, but caps held them back."""


class PageState:
    """One page in the making: what stands, and what may come next.

    `rows_ended` rows stand, and `row_entities` of the `row_length` entities of the row in hand.
    `candidates_C` are the entities, in ascending order, that could stand in it when it began, and
    `entity_mask` says which of them may be placed next. `rows_cut_short` counts the rows that ended
    before they were full. Masks must not be written to.
    """

    def __init__(self, rules: PageRules) -> None:
        self.rules = rules
        self.rows_ended = 0
        self.row_entities = 0
        self.row_length = 0
        self.rows_cut_short = 0
        self.candidates_C: Indices = np.zeros(0, np.int64)
        self.entity_mask = EntityMask(0)
        self._in_row = False
        self._end = RowEnd.FULL
        self._first: list[int] = []
        self._begun_R = np.zeros(len(rules.pin_R), bool)
        self._taken_A = np.zeros(len(rules.arguments_A), bool)
        self._placed: list[list[int]] = [[] for _ in rules.groups.row_max_G]
        self._placed_W = np.zeros_like(rules.catalog.unretired_W)
        self._unplaced_RG = rules.groups.sizes(rules.candidates_RW)
        self._page_room_G = rules.groups.page_max_G.copy()
        self._row_room_G = self._page_room_G
        for row in rules.standing:
            self._stand(row)
        self.row_mask_R: Mask = self._rows_that_may_begin(self._room_G())

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
        uncapped_G = np.full_like(self._page_room_G, len(self.rules.catalog.snapshot.entities))
        if self._rows_that_may_begin(uncapped_G).any():
            return homepage_pb2.FINISH_REASON_CAPPED
        return homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE

    @property
    def row_complete(self) -> bool:
        return self.row_entities == self.row_length

    @property
    def entity_mask_N(self) -> Mask:
        """What may be placed next, over all entities."""
        mask_N = np.zeros(len(self.rules.catalog.snapshot.entities), bool)
        mask_N[self.candidates_C[self.entity_mask.mask_C]] = True
        return mask_N

    def begin_row(self, row: int) -> int:
        """Begins a row; returns its argument's entity index, or NO_ARGUMENT.

        Raises RuleBrokenError if `row_mask_R` does not allow it.
        """
        if self._in_row or not 0 <= row < len(self.row_mask_R) or not self.row_mask_R[row]:
            raise RuleBrokenError(f"row {row} may not stand at position {self.rows_ended}")
        rules = self.rules
        open_W = rules.candidates_RW[row] & ~self._placed_W
        argument = self._newest_argument(row, self._room_G()) if rules.because_R[row] else None
        if argument is not None:
            self._taken_A[argument] = True
            open_W &= rules.like_AW[argument]
        self._open_row(row, open_W)
        self._begun_R[row] = True
        self._in_row = True
        self.row_entities = 0
        return NO_ARGUMENT if argument is None else int(rules.arguments_A[argument])

    def narrow(self, kept: Indices) -> bool:
        """Leaves only these positions of `candidates_C`, and what must come first, to choose from.

        For a row just begun; `kept` is ascending. The row's length stays: if they could not fill it
        under the caps, nothing changes and False is returned.
        """
        assert self._in_row and not self.row_entities, "a row is narrowed before its first entity"
        first = self.candidates_C[self._first]
        candidates_C = self.candidates_C[np.union1d(kept, self._first).astype(np.int64)]
        words_W = bitsets.of(candidates_C, len(self.rules.catalog.snapshot.entities))
        sizes_G = self.rules.groups.sizes(words_W[None])[0]
        if np.minimum(sizes_G, self._row_room_G).sum() < self.row_length:
            return False
        self.candidates_C = candidates_C
        self.entity_mask = EntityMask(len(candidates_C))
        self._first = np.searchsorted(candidates_C, first).tolist()
        self._put_first_first()
        return True

    def place(self, entity: int) -> None:
        """Places an entity in the row in hand. Raises RuleBrokenError if it may not stand there."""
        position = int(self.candidates_C.searchsorted(entity))
        if position == len(self.candidates_C) or self.candidates_C[position] != entity:
            raise self._may_not_stand(entity)
        self.place_candidate(position)

    def place_candidate(self, position: int) -> int:
        """Does the same for the entity at a position of `candidates_C`, and returns it."""
        entity = int(self.candidates_C[position])
        if not self._in_row or self.row_complete or not self.entity_mask.allows(position):
            raise self._may_not_stand(entity)
        group = self.rules.groups.of(entity)
        self.entity_mask.close(position)
        self._placed[group].append(entity)
        self._page_room_G[group] -= 1
        self._row_room_G[group] -= 1
        self.row_entities += 1
        if self._row_room_G[group] == 0:
            group_W = self.rules.groups.words_GW[group]
            self.entity_mask.close_all(bitsets.held(group_W, self.candidates_C))
        if self._first:
            self._put_first_first()
        return entity

    def _may_not_stand(self, entity: int) -> RuleBrokenError:
        return RuleBrokenError(f"entity {entity} may not stand here in row {self.rows_ended}")

    def end_row(self) -> RowEnd:
        """Ends the row in hand. Raises RuleBrokenError if it is not complete."""
        if not self._in_row or not self.row_complete:
            raise RuleBrokenError(f"row {self.rows_ended} is not complete")
        self._in_row = False
        self._take_from_other_rows()
        self.rows_ended += 1
        self.rows_cut_short += self._end is not RowEnd.FULL
        self.row_mask_R = self._rows_that_may_begin(self._room_G())
        return self._end

    def _stand(self, row: StandingRow) -> None:
        """Takes note of a row that already stands; it counts for caps, and may exceed them."""
        self._begun_R[row.row] = True
        self._taken_A |= self.rules.arguments_A == row.argument
        for entity in row.entities:
            group = self.rules.groups.of(entity)
            self._placed[group].append(entity)
            self._page_room_G[group] = max(0, self._page_room_G[group] - 1)
        self._take_from_other_rows()
        self.rows_ended += 1

    def _open_row(self, row: int, open_W: Words) -> None:
        """Finds the row's candidates and its length, and so why it will end."""
        rules, groups, self._row_room_G = self.rules, self.rules.groups, self._room_G()
        sizes_G = groups.sizes(open_W[None])[0]
        capacity = int(np.minimum(sizes_G, self._row_room_G).sum())
        for group in np.flatnonzero(self._row_room_G == 0):
            open_W &= ~groups.words_GW[group]
        self.candidates_C = bitsets.members(open_W, len(rules.catalog.snapshot.entities))
        self.row_length = min(int(rules.entities_max_R[row]), capacity)
        self._end = RowEnd.FULL
        if self.row_length < rules.entities_max_R[row]:
            capped = sizes_G.sum() > capacity
            self._end = RowEnd.CAPPED if capped else RowEnd.CANDIDATES_RAN_OUT
        self.entity_mask = EntityMask(len(self.candidates_C))
        first = np.array(rules.first_entities[row], np.int64)
        first = first[bitsets.held(open_W, first)]
        self._first = np.searchsorted(self.candidates_C, first).tolist()
        self._put_first_first()

    def _take_from_other_rows(self) -> None:
        """What was placed may stand in no other row; done once per row, which is soon enough."""
        for group, entities in enumerate(self._placed):
            placed = np.array(entities, np.int64)
            bitsets.add(self._placed_W, placed)
            held_RI = bitsets.held(self.rules.candidates_RW, placed)
            self._unplaced_RG[:, group] -= held_RI.sum(axis=1)
            entities.clear()

    def _put_first_first(self) -> None:
        mask = self.entity_mask
        self._first = [position for position in self._first if mask.is_open(position)]
        mask.only = self._first[0] if self._first else None

    def _room_G(self) -> Indices:
        """How many of each group a row that begins now could hold."""
        return np.minimum(self.rules.groups.row_max_G, self._page_room_G)

    def _rows_that_may_begin(self, room_G: Indices) -> Mask:
        rules, rows = self.rules, len(self._begun_R)
        if self.rows_ended == rules.rows_max:
            return np.zeros(rows, bool)
        may_R = np.minimum(self._unplaced_RG, room_G).sum(axis=1) >= rules.entities_min_R
        may_R &= ~self._begun_R
        for row in np.flatnonzero(may_R & rules.because_R):
            may_R[row] = self._newest_argument(int(row), room_G) is not None
        pinned_R: Mask = may_R & (rules.pin_R == self.rows_ended)
        unpinned_R: Mask = may_R & (rules.pin_R == UNPINNED)
        return pinned_R if pinned_R.any() else unpinned_R

    def _newest_argument(self, row: int, room_G: Indices) -> int | None:
        rules = self.rules
        unplaced_AW = rules.like_AW & rules.candidates_RW[row] & ~self._placed_W
        capacity_A = np.minimum(rules.groups.sizes(unplaced_AW), room_G).sum(axis=1)
        free_A = ~self._taken_A & (capacity_A >= rules.entities_min_R[row])
        return int(np.argmax(free_A)) if free_A.any() else None
