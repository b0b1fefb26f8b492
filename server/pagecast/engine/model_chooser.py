"""Chooses the rows and entities of a page by what the model finds likely.

Letters in names: R rows and N entities of the snapshot, C candidates of a row, S tokens not yet
fed, D width.
"""

from collections.abc import Callable

import numpy as np

from pagecast.engine.choice import CandidateHead, Choice, choose, likeliest
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.picking import Picker, Place
from pagecast.engine.semantic.spelling import RowSpeller
from pagecast.engine.walk import Feed
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.predicates import Indices, Mask


class ModelChooser:
    """Chooses by what the model finds likely: the best, or what its picker draws.

    Choices are fed when the next hidden state is needed, so entities filled from one run are fed as
    one chunk. The row that will probably follow is fed with them: if it is then chosen (on
    MovieLens 100K five times in six), that saves a run; if not, it is taken back.
    """

    def __init__(
        self,
        model: Model,
        options: DecodeOptions,
        *,
        request_D: FloatArray,
        hidden_D: FloatArray,
        standing: int,
        picker: Picker,
    ) -> None:
        self.runs = 1
        self._model = model
        self._request_D = request_D
        self._options = options
        self._exact_entities = 0
        self._rows = standing
        self._picker = picker
        self._hidden_D = hidden_D
        self._unfed: list[FloatArray] = []
        self._to_take_back = 0
        self._fed_row: int | None = None
        self._foreseen_row: int | None = None
        self._hidden_after_fed_row_D: FloatArray
        self._candidates_C: Indices
        self._head: CandidateHead
        self._speller_of = _speller_of(model)
        self._speller: RowSpeller | None = None
        self._logits_C: FloatArray | None = None
        self._row_entities = 0

    def before_row(self, mask_R: Mask) -> Feed | None:
        if len(self._unfed) > 1:
            self._foreseen_row = choose(self._logits_R(), mask_R).position
            foreseen_D = self._model.row_token(self._foreseen_row, NO_ARGUMENT, self._request_D)
            self._unfed.append(foreseen_D)
        return self._feed()

    def choose_row(self, mask_R: Mask) -> Choice:
        masked_R = np.where(mask_R, self._logits_R(), -np.inf)
        return self._picker.pick(masked_R, Place(self._rows, 0), None)

    def begin_row(self, row: int, argument: int, candidates_C: Indices) -> None:
        if self._fed_row == row and argument == NO_ARGUMENT:
            self._hidden_D = self._hidden_after_fed_row_D
        else:
            if self._fed_row is not None:
                self._to_take_back = 1
            self._unfed.append(self._model.row_token(row, argument, self._request_D))
        self._fed_row = None
        self._exact_entities = self._options.exact_entities_of(self._rows)
        self._rows += 1
        self._compete(candidates_C)
        self._row_entities = 0

    def shortlist(self) -> Indices | None:
        most = self._options.shortlist
        if not most or self._speller_of is not None or len(self._candidates_C) <= most:
            return None
        kept = likeliest(self._head.logits(self._hidden_D), most)
        expected = self._picker.expects(self._rows - 1)
        if not expected:
            return kept
        expected_at = np.flatnonzero(np.isin(self._candidates_C, expected))
        return np.union1d(kept, expected_at).astype(np.int64)

    def narrowed(self, candidates_C: Indices) -> None:
        self._compete(candidates_C)

    def before_entity(self) -> Feed | None:
        if self._speller is None and self._row_entities > self._exact_entities:
            return None
        self._logits_C = None
        return self._feed()

    def choose_entity(self, mask: EntityMask) -> Choice | None:
        # `begin_row` has already counted the row in hand.
        place = Place(self._rows - 1, self._row_entities + 1)
        if self._speller is not None:
            return self._spell(self._speller, mask, place)
        if self._logits_C is None:
            self._logits_C = self._head.logits(self._hidden_D)
        choice = self._picker.pick(mask.apply(self._logits_C), place, self._candidates_C)
        entity = self._candidates_C[choice.position]
        self._unfed.append(self._model.entities.input_ND[entity])
        self._row_entities += 1
        return choice

    def _spell(self, speller: RowSpeller, mask: EntityMask, place: Place) -> Choice | None:
        token_D, choice = speller.choose(self._hidden_D, mask, place, self._picker)
        self._unfed.append(token_D)
        self._row_entities += choice is not None
        return choice

    def fed(self, hidden_SD: FloatArray) -> None:
        self.runs += 1
        self._hidden_D = hidden_SD[-1]
        if self._foreseen_row is not None:
            self._hidden_D, self._hidden_after_fed_row_D = hidden_SD[-2], hidden_SD[-1]
            self._fed_row, self._foreseen_row = self._foreseen_row, None

    def _compete(self, candidates_C: Indices) -> None:
        self._candidates_C = candidates_C
        if self._speller_of is None:
            self._head = CandidateHead(self._model.entities.output_ND, candidates_C)
        else:
            self._speller = self._speller_of(candidates_C)
        self._logits_C = None

    def _feed(self) -> Feed | None:
        """What brings the hidden state up to date with every token of the page."""
        if not self._unfed:
            return None
        # One token, the usual case, is not copied: stacking would cost more than choosing.
        alone = len(self._unfed) == 1
        tokens_SD = self._unfed[0][None] if alone else np.stack(self._unfed)
        feed = Feed(tokens_SD=tokens_SD, take_back=self._to_take_back)
        self._unfed.clear()
        self._to_take_back = 0
        return feed

    def _logits_R(self) -> FloatArray:
        logits_R: FloatArray = self._model.row_output_RD @ self._hidden_D
        return logits_R


def _speller_of(model: Model) -> Callable[[Indices], RowSpeller] | None:
    """Makes what spells a row's candidates; None for a model of entity tokens.

    An ID is spelled token by token, so no single run scores all entities: spelled entities have
    neither hybrid rows nor shortlists.
    """
    spelling, named = model.bundle.spelling, model.entities.named
    if spelling is None or named is None:
        return None
    return lambda candidates_C: RowSpeller(spelling, named.token_NL[candidates_C])
