"""Step 6 of the life of a page: a model decodes it under the rules' masks.

Letters in names: S tokens that stand on the page, T of the prompt, D width.
"""

from collections.abc import Callable, Generator

import numpy as np

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.batching.standing_tokens import standing_tokens
from pagecast.engine.decode_options import DEFAULT_OPTIONS, DecodeOptions
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.model_chooser import ModelChooser
from pagecast.engine.page_events import PageEvent
from pagecast.engine.picking import Picker
from pagecast.engine.walk import Feed, PageWalk, walk_page
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules


def begin_page(
    model: Model,
    rules: PageRules,
    options: DecodeOptions,
    *,
    request_D: FloatArray,
    hidden_D: FloatArray,
    picker: Picker | None = None,
) -> PageWalk:
    """The walk of a page whose prompt and standing rows have been fed.

    `request_D` is the prompt's last token, `hidden_D` the hidden state after all that was fed.
    `picker` is the options' unless another is given.
    """
    chooser = ModelChooser(
        model,
        options,
        request_D=request_D,
        hidden_D=hidden_D,
        standing=len(rules.standing),
        picker=picker or options.picker(),
    )
    return walk_page(rules, chooser)


def check_catalog(model: Model, rules: PageRules) -> None:
    """Raises ValueError if rules and model are not of one snapshot: their indices differ."""
    if rules.catalog.snapshot is not model.snapshot:
        raise ValueError(
            f"rules for catalog number {rules.catalog.snapshot.number}, model for"
            f" {model.snapshot.number}: compile and bind one and the same snapshot"
        )


def decode_page(
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions = DEFAULT_OPTIONS,
    cancelled: Callable[[], bool] = lambda: False,
    picker: Picker | None = None,
) -> Generator[PageEvent, None, None]:
    """Decodes one page alone, in the calling thread; each event comes as soon as it is decided.

    `cancelled` is asked before every choice; closing the iterator stops the work as well. The same
    inputs give the same page. Raises EngineError, while iterating, if the model cannot go on, and
    ValueError at once if rules and model are not of one snapshot. A server decodes many pages
    together instead (`decode_loop`).
    """
    check_catalog(model, rules)
    return _decode_alone(model, prompt, rules, options, cancelled, picker)


def _decode_alone(
    model: Model,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions,
    cancelled: Callable[[], bool],
    picker: Picker | None,
) -> Generator[PageEvent, None, None]:
    if cancelled():
        return
    decoder = model.bundle.decoder(slots=1)
    prompt_TD = tokens_of(model, encode(model, prompt))
    request_D = prompt_TD[-1]
    standing_SD = standing_tokens(model, rules.standing, request_D)
    hidden_SD = decoder.feed(0, np.concatenate([prompt_TD, standing_SD]))
    walk = begin_page(
        model, rules, options, request_D=request_D, hidden_D=hidden_SD[-1], picker=picker
    )
    answer: FloatArray | None = None
    while not cancelled():
        try:
            event = walk.send(answer)
        except StopIteration:
            return
        if isinstance(event, Feed):
            decoder.take_back(0, event.take_back)
            answer = decoder.feed(0, event.tokens_SD)
        else:
            answer = None
            yield event
