"""A prompt as the tokens the decoder is fed, and what each of them was made from.

Letters in names: T positions of a prompt, F fields, D width.
"""

import numpy as np

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.prompt import Prompt
from pagecast.featurestore.vocabulary import EncodedPrompt, encode_prompt


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


def tokens_of(model: Model, encoded: EncodedPrompt, start: int = 0) -> FloatArray:
    """The tokens [T - start, D] of a prompt's positions from `start` on."""
    outputs = model.bundle.prompt.run(
        {
            "entity_BTD": model.entities.prompt_inputs(encoded.entity_ids[start:])[None],
            "fields_BTF": encoded.fields_TF[None, start:],
        }
    )
    tokens_TD: FloatArray = outputs["tokens_BTD"][0]
    return tokens_TD


def cacheable_positions(encoded: EncodedPrompt) -> int:
    """How many positions of a prompt, from the first on, do not depend on the request.

    The last one does: it joins the request with what followed from the newest step.
    """
    return len(encoded.entity_ids) - 1
