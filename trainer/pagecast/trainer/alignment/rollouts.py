"""Groups of whole pages that the engine draws for one prompt, with all that scoring them needs.

Rows are decoded entity by entity: a row filled from one run could not be scored by teacher forcing.
Pages are drawn from the constrained distribution, so each token's mask is kept and laid over the
logits again (docs/papers.md 1.10).

Letters: G pages of a group, N tokens of a page, V what competes, T positions of the
prompt, D width.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.batching.slot_decoder import SlotDecoder
from pagecast.engine.choice import Choice
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.page import begin_page, check_catalog
from pagecast.engine.page_events import EntityChosen, RowBegun
from pagecast.engine.picking import Picker, Place
from pagecast.engine.walk import Feed, PageWalk
from pagecast.rules.facts import ENTITIES_PER_ROW_MAX
from pagecast.rules.predicates import Indices
from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.config import GROUP_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """A row of a drawn page, by catalog indices."""

    row: int
    argument: int
    entities: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollout:
    """A drawn page. Tokens stand in the order of drawing: a row, its entities, the next row...

    `allowed` are masks as bits, over the catalog's rows for a row and over its entities for an
    entity; `log_p_N` are the log-probabilities under them at the moment of drawing.
    """

    ask: Ask
    rows: tuple[RolloutRow, ...]
    allowed: tuple[npt.NDArray[np.uint8], ...]
    log_p_N: npt.NDArray[np.float64]

    @property
    def is_row_N(self) -> npt.NDArray[np.bool_]:
        """Which tokens are rows."""
        return np.concatenate([[True, *[False] * len(row.entities)] for row in self.rows])

    @property
    def entities(self) -> list[int]:
        """All entities of the page, in its order."""
        return [entity for row in self.rows for entity in row.entities]


@dataclass(eq=False)
class _Recorder:
    """A picker that keeps what it was asked, and what it picked."""

    picker: Picker
    entities: int
    allowed: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    log_p: list[float] = field(default_factory=list)

    def pick(self, masked_V: FloatArray, place: Place, tokens_V: Indices | None) -> Choice:
        choice = self.picker.pick(masked_V, place, tokens_V)
        open_V = masked_V > -np.inf
        if tokens_V is None:
            mask = open_V
        else:
            mask = np.zeros(self.entities, np.bool_)
            mask[tokens_V[open_V]] = True
        self.allowed.append(np.packbits(mask))
        self.log_p.append(choice.log_probability)
        return choice

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        return self.picker.log_probability(masked_V, position)

    def expects(self, row_position: int) -> Sequence[int]:
        return self.picker.expects(row_position)


class _Page:
    """A page of a group, in its slot of the decoder."""

    def __init__(self, ask: Ask, walk: PageWalk, recorder: _Recorder) -> None:
        self._ask, self._walk, self._recorder = ask, walk, recorder
        self._rows: list[tuple[int, int, list[int]]] = []
        self.feed: Feed | None = None
        self.go_on(None)

    def go_on(self, hidden_SD: FloatArray | None) -> None:
        """Walks until the model is to be fed again, or the page ends."""
        self.feed = None
        answer = hidden_SD
        while self.feed is None:
            try:
                event = self._walk.send(answer)
            except StopIteration:
                return
            answer = None
            match event:
                case Feed():
                    self.feed = event
                case RowBegun():
                    self._rows.append((event.row, event.argument, []))
                case EntityChosen():
                    self._rows[-1][2].append(event.entity)

    def rollout(self) -> Rollout:
        return Rollout(
            ask=self._ask,
            rows=tuple(RolloutRow(row=r, argument=a, entities=tuple(e)) for r, a, e in self._rows),
            allowed=tuple(self._recorder.allowed),
            log_p_N=np.array(self._recorder.log_p, np.float64),
        )


def draw_group(
    model: Model, ask: Ask, seeds: Sequence[int], temperature: float = 1.0
) -> list[Rollout]:
    """A page for each seed, decoded together behind one prompt.

    Raises EngineError if the model cannot go on, ValueError for another catalog's rules or more
    than GROUP_MAX seeds.
    """
    if not 1 <= len(seeds) <= GROUP_MAX:
        raise ValueError(f"a group has 1 to {GROUP_MAX} pages, not {len(seeds)}")
    check_catalog(model, ask.rules)
    decoder = model.bundle.decoder(slots=len(seeds))
    prompt_TD = tokens_of(model, encode(model, ask.prompt))
    hidden_D = decoder.feed(0, prompt_TD)[-1]
    prefix_YHPK = decoder.slots.prefix(0, len(prompt_TD))
    pages = []
    for slot, seed in enumerate(seeds):
        decoder.slots.begin(slot, prefix_YHPK)
        options = DecodeOptions(
            exact_entities=ENTITIES_PER_ROW_MAX, seed=seed, temperature=temperature
        )
        recorder = _Recorder(options.picker(), len(model.snapshot.entities))
        walk = begin_page(
            model,
            ask.rules,
            options,
            request_D=prompt_TD[-1],
            hidden_D=hidden_D,
            picker=recorder,
        )
        pages.append(_Page(ask, walk, recorder))
    while slots := [slot for slot, page in enumerate(pages) if page.feed is not None]:
        _step(decoder, pages, slots)
    return [page.rollout() for page in pages]


def _step(decoder: SlotDecoder, pages: Sequence[_Page], slots: Sequence[int]) -> None:
    """One token of every page that goes on; with exact rows there is never more than one."""
    feeds = [feed for slot in slots if (feed := pages[slot].feed) is not None]
    tokens_BD = np.concatenate([feed.tokens_SD for feed in feeds])
    assert len(tokens_BD) == len(slots), "exact rows are fed token by token"
    hidden_BD = decoder.step(slots, tokens_BD)
    for slot, hidden_D in zip(slots, hidden_BD, strict=True):
        pages[slot].go_on(hidden_D[None])


def page_seed(*parts: int) -> int:
    """A seed of 64 bits out of numbers that name a page: run, step, prompt, page."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little")
