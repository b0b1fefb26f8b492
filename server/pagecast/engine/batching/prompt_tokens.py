"""A prompt as the tokens the decoder is fed, and what each of them was made from.

Letters in names: T positions as encoded, U positions fed, F fields, D width.
"""

import numpy as np

from pagecast.engine.batching.prompt_inputs import positions_fed, prompt_inputs
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.prompt.compression import steps_compressed
from pagecast.featurestore.prompt.encoding import EncodedPrompt, encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt


def encode(model: Model, prompt: Prompt) -> EncodedPrompt:
    """Raises EngineError for a prompt the model was not made for."""
    steps_max = model.bundle.manifest.model.steps_max
    if len(prompt.steps) > steps_max:
        raise EngineError(f"a prompt of {len(prompt.steps)} steps; build it of at most {steps_max}")
    encoded = encode_prompt(prompt, model.bundle.vocabulary)
    # A negative index would silently read a table from its end (docs/facts.md).
    sizes_F = np.array(model.bundle.vocabulary.field_sizes())
    if (encoded.fields_TF < 0).any() or (encoded.fields_TF >= sizes_F).any():
        raise EngineError("the prompt holds a field outside the vocabulary")
    return encoded


def old_steps(model: Model, encoded: EncodedPrompt) -> int:
    """How many of the oldest steps share positions."""
    return steps_compressed(encoded.prefix - 1, model.bundle.manifest.model.compress_keep)


def tokens_of(model: Model, encoded: EncodedPrompt, start: int = 0) -> FloatArray:
    """The tokens [U - start, D] of the positions fed, from `start` on."""
    compressed, skipped = old_steps(model, encoded), 0
    behind_groups = positions_fed(1 + compressed, compressed)
    if start >= behind_groups:
        skipped, compressed = 1 + compressed + start - behind_groups, 0
    outputs = model.bundle.prompt.run(
        prompt_inputs(
            model.entities.prompt_inputs(encoded.entity_ids[skipped:]),
            encoded.fields_TF[skipped:],
            compresses=model.bundle.manifest.model.compresses,
            compressed=compressed,
        )
    )
    tokens_UD: FloatArray = outputs["tokens_BTD"][0]
    return tokens_UD if skipped else tokens_UD[start:]


def cacheable_positions(model: Model, encoded: EncodedPrompt) -> int:
    """How many of the positions fed, from the first on, do not depend on the request.

    Context and request do: the prompt of someone who comes back later names other entities.
    """
    return positions_fed(encoded.prefix, old_steps(model, encoded))
