"""A model that has just been bound decodes a little before anybody's page does."""

import time

from pagecast.engine.bundles.served_model import ServedModel, whole_page
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.rules.predicates import Indices

WARM_ROWS = 1
"""Rows of the page that a new model decodes first: one takes a prompt's chunk, steps, and filling a
row from one state. More rows would run the same again."""


def warm(model: ServedModel, catalog: CompiledCatalog, popular: Indices) -> None:
    """Decodes a stranger's row, so that the first page does not pay for what is made lazily.

    `catalog` is compiled from the model's snapshot. Raises EngineError if the model cannot decode.
    """
    now_ms = time.time_ns() // 1_000_000
    rules = compile_rules(catalog, RequestFacts(at_ms=now_ms, rows=WARM_ROWS), popular)
    prompt = build_prompt(
        None,
        Profile(),
        RequestHalf(at_ms=now_ms),
        catalog=model.snapshot,
        context=model.bundle.context,
    )
    for _ in whole_page(model, prompt, rules):
        pass
