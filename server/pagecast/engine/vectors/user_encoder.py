"""A user's prompt as one vector: what the next-entity score and the other heads are read from.

The next-entity score is the distribution after [prompt, ROW `top`]; heads of genre and language
were trained on the state after the prompt alone, so both are kept.

Letters in names: T positions of the prompt still to be fed, D width, O width of hidden states.
"""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from pagecast.engine.batching.page_job import made_from
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.batching.slot_decoder import CHUNK_MAX, SlotDecoder
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import NEXT_ROW
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_state import NO_ARGUMENT


class StoppedError(Exception):
    """Nobody wants the vector any more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UserState:
    """What the model makes of a prompt.

    `hidden_O` is the hidden state after [prompt, ROW `top`]: the user's vector. `state_D` is the
    decoder's state after the prompt, which heads read; None for a bundle without heads.
    """

    hidden_O: FloatArray
    state_D: FloatArray | None


class UserEncoder:
    """Feeds prompts in a slot of its own for each bundle. Owned by one thread.

    Pages are not decoded here and wait for nothing here; a chunk holds a core for a few
    milliseconds, like a page's. What pages have kept of a user is used, but nothing new is kept: a
    job over all users would drop what pages need.
    """

    def __init__(self, prefixes: PrefixCache) -> None:
        self._prefixes = prefixes
        self._decoders: WeakKeyDictionary[Bundle, SlotDecoder] = WeakKeyDictionary()

    def encode(
        self,
        model: Model,
        user_id: str,
        prompt: Prompt,
        stopped: Callable[[], bool] = lambda: False,
    ) -> UserState:
        """`stopped` is asked before every chunk; if it is True, StoppedError is raised. Raises
        EngineError if the model cannot answer, or its answer is not a number."""
        decoder = self._decoder(model.bundle)
        encoded = encode(model, prompt)
        prefix = self._prefixes.find((user_id, model.version), made_from(model, encoded))
        prompt_TD = tokens_of(model, encoded, 0 if prefix is None else prefix.positions)
        decoder.slots.begin(0, None if prefix is None else prefix.caches_YHPK)
        for start in range(0, len(prompt_TD), CHUNK_MAX):
            if stopped():
                raise StoppedError
            decoder.chunk(0, prompt_TD[start : start + CHUNK_MAX])
        state_D = decoder.state_D
        hidden_O = decoder.chunk(0, next_row_token(model, prompt_TD[-1])[None])[-1]
        for vector in (hidden_O, state_D):
            if vector is not None and not np.isfinite(vector).all():
                raise EngineError("the model's state is no number")
        return UserState(hidden_O=hidden_O, state_D=state_D)

    def _decoder(self, bundle: Bundle) -> SlotDecoder:
        decoder = self._decoders.get(bundle)
        if decoder is None:
            decoder = bundle.decoder(slots=1, gives_states=bundle.heads is not None)
            self._decoders[bundle] = decoder
        return decoder


def next_row_token(model: Model, request_D: FloatArray) -> FloatArray:
    """The token [D] of the row after which the next-entity score is read; that of the fallback row
    if the catalog has no such row."""
    row = model.snapshot.row_index.get(NEXT_ROW)
    if row is None:
        fallback_D: FloatArray = model.bundle.row_input_RD[0] + request_D
        return fallback_D
    return model.row_token(row, NO_ARGUMENT, request_D)
