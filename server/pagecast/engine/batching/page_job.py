"""One page to be decoded in a batch: what it is made from, and where its events go.

Letters in names: T positions still to be fed, of the prompt and of the rows that stand, S those of
the rows that stand, D width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.engine.batching.prefix_cache import MadeFrom, Prefix, PrefixCache, PrefixKey
from pagecast.engine.batching.prompt_tokens import cacheable_positions, encode, old_steps, tokens_of
from pagecast.engine.batching.standing_tokens import standing_tokens
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.page import check_catalog
from pagecast.engine.page_events import PageEvent
from pagecast.featurestore.prompt.encoding import EncodedPrompt
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules


@dataclass(frozen=True, kw_only=True, eq=False)
class PageSink:
    """Where a page goes. All three are called in the decode loop's thread and must not wait."""

    put: Callable[[Sequence[PageEvent]], None]
    """Takes the next events. What it raises ends the page, and is passed to `end`."""

    end: Callable[[BaseException | None], None]
    """Called once, when the slot is free again: with what went wrong, or None."""

    stopped: Callable[[], bool] = lambda: False
    """Asked before every step; once it returns True the page ends early."""

    whole_rows: bool = True
    """Events come a whole row at a time; otherwise each as soon as it is decided."""

    in_a_hurry: bool = True
    """Its first row comes before later rows of others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PageJob:
    """Made by `prepare`, in any thread but the decode loop's: it takes a millisecond or two."""

    model: Model
    rules: PageRules
    options: DecodeOptions
    tokens_TD: FloatArray
    request_D: FloatArray
    prefix: Prefix | None
    key: PrefixKey
    made_from: MadeFrom
    cacheable: int
    forgotten: int | None
    """As `PrefixCache.keep` wants it; None keeps nothing."""
    sink: PageSink

    @property
    def prefix_positions(self) -> int:
        return 0 if self.prefix is None else self.prefix.positions


def prepare(
    model: Model,
    user_id: str,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions,
    prefixes: PrefixCache,
    sink: PageSink,
    *,
    forgotten: int | None,
) -> PageJob:
    """`forgotten` is that of `prefixes` before the user's history was read; None if it could not be
    read: then what is kept of the user stays as it is, and nothing of this page is kept.

    Raises EngineError if the model was not made for the prompt, ValueError if rules and model
    are not of one snapshot.
    """
    check_catalog(model, rules)
    encoded = encode(model, prompt)
    key = (user_id, model.version)
    of_prompt = made_from(model, encoded)
    prefix = None if forgotten is None else prefixes.find(key, of_prompt)
    prompt_TD = tokens_of(model, encoded, 0 if prefix is None else prefix.positions)
    standing_SD = standing_tokens(model, rules.standing, prompt_TD[-1])
    return PageJob(
        model=model,
        rules=rules,
        options=options,
        tokens_TD=np.concatenate([prompt_TD, standing_SD]),
        request_D=prompt_TD[-1],
        prefix=prefix,
        key=key,
        made_from=of_prompt,
        cacheable=cacheable_positions(model, encoded),
        forgotten=forgotten,
        sink=sink,
    )


def made_from(model: Model, encoded: EncodedPrompt) -> MadeFrom:
    """What the positions of an encoded prompt are made from, by this model."""
    named = model.entities.named
    return MadeFrom.of(
        encoded,
        model.snapshot,
        compressed=old_steps(model, encoded),
        token_NL=None if named is None else named.token_NL,
    )
