"""Runs the graphs of a model over one page: the prompt first, then tokens as they are chosen.

Letters in names: B batch (1), T prompt positions, F fields, S new tokens, D width.
"""

import numpy as np

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.kv_cache import KvCache
from pagecast.engine.model import Model
from pagecast.engine.prefill import prefill_inputs
from pagecast.featurestore.encoding import EncodedPrompt, encode_prompt
from pagecast.featurestore.prompt import Prompt
from pagecast.rules.page_state import NO_ARGUMENT


class Decoder:
    """One page's sequence; the cache holds what has been fed. `runs` counts the graphs' runs."""

    def __init__(self, model: Model, cache: KvCache) -> None:
        self.runs = 0
        self._model = model
        self._cache = cache
        self._request_D: FloatArray

    def prefill(self, prompt: Prompt) -> FloatArray:
        """Feeds the prompt; returns the hidden state [D] after it."""
        steps_max = self._model.bundle.manifest.model.steps_max
        if len(prompt.steps) > steps_max:
            raise EngineError(
                f"a prompt of {len(prompt.steps)} steps; build it of at most {steps_max}"
            )
        encoded = encode_prompt(prompt, self._model.bundle.vocabulary)
        self._check_fields(encoded)
        outputs = self._model.bundle.prefill.run(
            prefill_inputs(
                self._model.entities.prompt_inputs(encoded.entity_ids),
                encoded.fields_TF,
                prefix=encoded.prefix,
                keep=self._model.bundle.manifest.model.compress_keep,
            )
        )
        self._cache.extend(outputs["keys_LBHTK"], outputs["values_LBHTK"])
        self.runs += 1
        self._request_D = outputs["request_BD"][0]
        hidden_D: FloatArray = outputs["hidden_BD"][0]
        return hidden_D

    def row_token(self, row: int, argument: int) -> FloatArray:
        """The token [D] of a row that may follow: the row, its argument, and the page's request."""
        token_D: FloatArray = self._model.row_input_RD[row] + self._request_D
        if argument != NO_ARGUMENT:
            token_D = token_D + self._model.entities.input_ND[argument]
        return token_D

    def feed(self, tokens_SD: FloatArray) -> FloatArray:
        """Feeds tokens as one chunk; returns the hidden states [S, D] after each of them."""
        past_keys_LBHPK, past_values_LBHPK = self._cache.past()
        outputs = self._model.bundle.decode.run(
            {
                "tokens_BSD": tokens_SD[None],
                "past_keys_LBHPK": past_keys_LBHPK,
                "past_values_LBHPK": past_values_LBHPK,
            }
        )
        self._cache.extend(outputs["keys_LBHSK"], outputs["values_LBHSK"])
        self.runs += 1
        hidden_SD: FloatArray = outputs["hidden_BSD"][0]
        return hidden_SD

    def take_back(self, tokens: int) -> None:
        """Undoes the feeding of the newest tokens."""
        self._cache.take_back(tokens)

    def _check_fields(self, encoded: EncodedPrompt) -> None:
        # A negative index would silently read a table from its end (docs/facts.md).
        sizes_F = np.array(self._model.bundle.vocabulary.field_sizes())
        if (encoded.fields_TF < 0).any() or (encoded.fields_TF >= sizes_F).any():
            raise EngineError("the prompt holds a field outside the vocabulary")
