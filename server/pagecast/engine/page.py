"""Step 6 of the life of a page: a model decodes it, greedily, under the rules' masks.

Letters in names: R rows and N entities of the snapshot, C candidates of a row, S tokens not yet
fed, D width.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from pagecast.engine.choice import CandidateHead, Choice, choose
from pagecast.engine.decoder import Decoder
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.page_events import PageEvent
from pagecast.engine.walk import walk_page
from pagecast.featurestore.context import CONTEXT_POSITIONS_MAX
from pagecast.featurestore.prompt import Prompt
from pagecast.rules.page_rules import PageRules
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.predicates import Indices, Mask


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How a page is decoded.

    The first `exact_entities` of a row are decoded one by one, the rest is filled from one run
    (hybrid row decoding, docs/papers.md 1.8); a number of at least the row's length is exact.
    Greedy decoding draws nothing, so `seed` changes nothing yet.
    """

    exact_entities: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.exact_entities < 0:
            raise ValueError(f"exact_entities must be at least 0, is {self.exact_entities}")


DEFAULT_OPTIONS = DecodeOptions()


def decode_page(
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions = DEFAULT_OPTIONS,
    cancelled: Callable[[], bool] = lambda: False,
) -> Generator[PageEvent, None, None]:
    """Decodes a page; each event comes as soon as it is decided.

    `cancelled` is asked before every choice; closing the iterator stops the work as well. The same
    inputs give the same page. Raises EngineError, while iterating, if the model cannot go on, and
    ValueError at once if rules and model are not of one snapshot: their indices would not agree.
    """
    if rules.catalog.snapshot is not model.snapshot:
        raise ValueError(
            f"rules for catalog number {rules.catalog.snapshot.number}, model for"
            f" {model.snapshot.number}: compile and bind one and the same snapshot"
        )
    return _decode(model, prompt, rules, options, cancelled)


def _decode(
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions,
    cancelled: Callable[[], bool],
) -> Generator[PageEvent, None, None]:
    prompt_positions = len(prompt.steps) + 2 + CONTEXT_POSITIONS_MAX
    page_positions = rules.rows_max * (1 + rules.entities_per_row)
    with model.caches.borrow(prompt_positions + page_positions) as cache:
        if cancelled():
            return
        chooser = ModelChooser(model, Decoder(model, cache), prompt, options.exact_entities)
        yield from walk_page(rules, chooser, cancelled)


class ModelChooser:
    """Chooses what the model finds likeliest.

    What was chosen is fed when the next hidden state is needed, so entities filled from one run are
    fed as one chunk. The row that will probably follow is fed with them: if it is then chosen (on
    MovieLens 100K five times in six), that saves a run; if not, it is taken back.
    """

    def __init__(self, model: Model, decoder: Decoder, prompt: Prompt, exact_entities: int) -> None:
        self._model = model
        self._decoder = decoder
        self._exact_entities = exact_entities
        self._hidden_D = decoder.prefill(prompt)
        self._unfed: list[FloatArray] = []
        self._fed_row: int | None = None
        self._hidden_after_fed_row_D: FloatArray
        self._candidates_C: Indices
        self._head: CandidateHead
        self._logits_C: FloatArray
        self._row_entities = 0

    @property
    def runs(self) -> int:
        return self._decoder.runs

    def choose_row(self, mask_R: Mask) -> Choice:
        if len(self._unfed) > 1:
            self._feed_with(self._best_row(mask_R).position)
        else:
            self._feed()
        return self._best_row(mask_R)

    def begin_row(self, row: int, argument: int, candidates_C: Indices) -> None:
        if self._fed_row == row and argument == NO_ARGUMENT:
            self._hidden_D = self._hidden_after_fed_row_D
        else:
            if self._fed_row is not None:
                self._decoder.take_back(1)
            self._unfed.append(self._decoder.row_token(row, argument))
        self._fed_row = None
        self._candidates_C = candidates_C
        self._head = CandidateHead(self._model.entities.output_ND, candidates_C)
        self._row_entities = 0

    def choose_entity(self, mask_C: Mask) -> Choice:
        if self._row_entities <= self._exact_entities:
            self._feed()
            self._logits_C = self._head.logits(self._hidden_D)
        choice = choose(self._logits_C, mask_C)
        entity = self._candidates_C[choice.position]
        self._unfed.append(self._model.entities.input_ND[entity])
        self._row_entities += 1
        return choice

    def _best_row(self, mask_R: Mask) -> Choice:
        return choose(self._model.row_output_RD @ self._hidden_D, mask_R)

    def _feed(self) -> None:
        """Brings the hidden state up to date with every token of the page."""
        if self._unfed:
            self._hidden_D = self._decoder.feed(np.stack(self._unfed))[-1]
            self._unfed.clear()

    def _feed_with(self, row: int) -> None:
        """The same, with a row that may follow in the same run."""
        self._unfed.append(self._decoder.row_token(row, NO_ARGUMENT))
        hidden_SD = self._decoder.feed(np.stack(self._unfed))
        self._unfed.clear()
        self._hidden_D, self._hidden_after_fed_row_D = hidden_SD[-2], hidden_SD[-1]
        self._fed_row = row
