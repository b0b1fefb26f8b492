"""Walks the grammar of a page with something that chooses; every page is made here.

So a page of a model and a page without one obey the same rules and make the same events.
"""

from collections.abc import Callable, Generator
from typing import Protocol

from pagecast.engine.choice import Choice
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.rules.page_rules import PageRules
from pagecast.rules.page_state import PageState
from pagecast.rules.predicates import Indices, Mask


class Chooser(Protocol):
    """Chooses among what the masks allow, which is always something."""

    @property
    def runs(self) -> int:
        """Runs of a model's graphs so far."""

    def choose_row(self, mask_R: Mask) -> Choice:
        """The next row, by its index in the snapshot."""

    def begin_row(self, row: int, argument: int, candidates_C: Indices, /) -> None:
        """That row has begun; its entities come from `candidates_C`."""

    def choose_entity(self, mask_C: Mask) -> Choice:
        """The next entity of the row, by its position in `candidates_C`; it will be placed."""


def walk_page(
    rules: PageRules, chooser: Chooser, cancelled: Callable[[], bool]
) -> Generator[PageEvent, None, None]:
    """Makes a page, event by event. Ends without PageEnded once `cancelled` says so."""
    state = PageState(rules)
    near_ties = 0
    while not state.page_complete:
        if cancelled():
            return
        choice = chooser.choose_row(state.row_mask_R)
        near_ties += choice.near_tie
        argument = state.begin_row(choice.position)
        position = state.rows_ended
        yield RowBegun(
            row_position=position,
            row=choice.position,
            argument=argument,
            log_probability=choice.log_probability,
        )
        chooser.begin_row(choice.position, argument, state.candidates_C)
        while not state.row_complete:
            if cancelled():
                return
            choice = chooser.choose_entity(state.entity_mask_C)
            near_ties += choice.near_tie
            entity = int(state.candidates_C[choice.position])
            state.place(entity)
            yield EntityChosen(
                row_position=position,
                entity_position=state.row_entities - 1,
                entity=entity,
                log_probability=choice.log_probability,
            )
        reason = state.end_row()
        yield RowEnded(row_position=position, entities=state.row_entities, reason=reason)
    yield PageEnded(
        rows=state.rows_ended,
        finish_reason=state.finish_reason,
        rows_cut_short=state.rows_cut_short,
        near_ties=near_ties,
        runs=chooser.runs,
    )
