"""Walks the grammar of a page with something that chooses; every page is made here.

So a page by a model and a page without one obey the same rules and make the same events. The walk
never runs a model itself: it stops and says what must be fed (`Feed`), and its driver, for one page
alone or a batch of many, sends back the hidden states.

Letters in names: S tokens to feed, D width.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pagecast.engine.choice import Choice
from pagecast.engine.graph import FloatArray
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.page_rules import PageRules
from pagecast.rules.page_state import PageState
from pagecast.rules.predicates import Indices, Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What the model must be fed before the next choice: the newest `take_back` tokens are
    forgotten, then `tokens_SD` follow. The answer is the hidden state [S, D] after each."""

    tokens_SD: FloatArray
    take_back: int = 0


PageWalk: TypeAlias = Generator[PageEvent | Feed, FloatArray | None, None]
"""Yields events, which get no answer, and feeds, which are answered with hidden states."""


class Chooser(Protocol):
    """Chooses among what the masks allow, which is always something."""

    @property
    def runs(self) -> int:
        """Runs of a model's graphs so far."""

    def before_row(self, mask_R: Mask, /) -> Feed | None:
        """What must be fed before the next row can be chosen."""

    def choose_row(self, mask_R: Mask) -> Choice:
        """The next row, by its index in the snapshot."""

    def begin_row(self, row: int, argument: int, candidates_C: Indices, /) -> None:
        """That row has begun; its entities come from `candidates_C`."""

    def shortlist(self) -> Indices | None:
        """Positions in `candidates_C`, ascending, that it would look at in this row; None for all.

        Asked before the row's first entity, once all that was to be fed has been fed.
        """

    def narrowed(self, candidates_C: Indices, /) -> None:
        """The row's entities come from these instead: the shortlist, and what the rules add."""

    def before_entity(self) -> Feed | None:
        """What must be fed before the next entity can be chosen."""

    def choose_entity(self, mask: EntityMask) -> Choice | None:
        """The next entity of the row, by its position in `candidates_C`; it will be placed.

        None if it takes more tokens: then `before_entity` is asked again.
        """

    def fed(self, hidden_SD: FloatArray, /) -> None:
        """What had to be fed has been fed."""


class FedNothing:
    """What choosers without a decoder share: nothing is fed, and all candidates compete."""

    runs = 0

    def before_row(self, _mask_R: Mask) -> None:
        return None

    def before_entity(self) -> None:
        return None

    def shortlist(self) -> None:
        return None

    def narrowed(self, _candidates_C: Indices) -> None:
        raise AssertionError("nothing was to be left out")

    def fed(self, _hidden_SD: FloatArray) -> None:
        raise AssertionError("nothing was to be fed")


def walk_page(rules: PageRules, chooser: Chooser) -> PageWalk:
    """Makes a page, event by event."""
    state = PageState(rules)
    near_ties = 0
    while not state.page_complete:
        yield from _feed(chooser, chooser.before_row(state.row_mask_R))
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
            choice = yield from _entity(chooser, state)
            near_ties += choice.near_tie
            entity = state.place_candidate(choice.position)
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


def _entity(chooser: Chooser, state: PageState) -> Generator[Feed, FloatArray | None, Choice]:
    """One entity, in as many tokens as it takes."""
    choice: Choice | None = None
    while choice is None:
        yield from _feed(chooser, chooser.before_entity())
        if not state.row_entities:
            _narrow(state, chooser)
        choice = chooser.choose_entity(state.entity_mask)
    return choice


def _narrow(state: PageState, chooser: Chooser) -> None:
    kept = chooser.shortlist()
    if kept is not None and state.narrow(kept):
        chooser.narrowed(state.candidates_C)


def _feed(chooser: Chooser, feed: Feed | None) -> Generator[Feed, FloatArray | None, None]:
    if feed is not None:
        hidden_SD = yield feed
        assert hidden_SD is not None, "a feed is answered with hidden states"
        chooser.fed(hidden_SD)
