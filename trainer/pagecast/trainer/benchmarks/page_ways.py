"""What other ways of decoding do to whole pages: beside the exact page of the same prompt.

Letters: Q requests.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import EntityChosen
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.evaluation.pages.viewport import discount
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request
from pagecast.trainer.evaluation.systems.engine_system import EngineSystem

ROWS, ENTITIES_PER_ROW = 8, 10
"""Of the pages: a server's defaults."""

EXACT, ROUNDED = "exact, fp32", "exact, int8"

_EXACT_OPTIONS = DecodeOptions(exact_entities=ENTITIES_PER_ROW)

WAYS: Mapping[str, DecodeOptions] = {
    **{f"k={k}": DecodeOptions(exact_entities=k) for k in range(6)},
    **{
        f"shortlist of {most}": DecodeOptions(exact_entities=ENTITIES_PER_ROW, shortlist=most)
        for most in (16, 64, 256)
    },
}
"""Of the exact weights. A shortlist as long as a row is the row of k = 0 in another order."""

Page: TypeAlias = dict[int, float]
"""What the place of each entity on a page is worth (`viewport`)."""


def page_ways(
    exact: Model, rounded: Model, data: Interactions, requests: Sequence[Request]
) -> Figures:
    """By way: the share of the exact page's entities that stand on its page too, what the place of
    the target is worth (0 where it does not stand), and the standard error of its difference from
    the exact page's."""
    asked = [(_prompt(exact, data, request), _rules(exact, data, request)) for request in requests]
    pages = dict(_pages(exact, rounded, asked))
    targets = [int(data.entity_X[request.targets[0]]) for request in requests]
    figures: dict[str, float] = {}
    gains = {
        way: np.array([page.get(target, 0.0) for page, target in zip(some, targets, strict=True)])
        for way, some in pages.items()
    }
    for way, some in pages.items():
        pairs = zip(some, pages[EXACT], strict=True)
        shares = [len(a.keys() & b.keys()) / len(b) for a, b in pairs if b]
        difference_Q = gains[way] - gains[EXACT]
        figures[f"same_entities, {way}"] = float(np.mean(shares)) if shares else 1.0
        figures[f"target_worth, {way}"] = float(gains[way].mean())
        figures[f"target_worth_error, {way}"] = float(
            difference_Q.std() / np.sqrt(len(difference_Q))
        )
    return figures


def _pages(
    exact: Model, rounded: Model, asked: Sequence[tuple[Prompt, PageRules]]
) -> Iterator[tuple[str, list[Page]]]:
    yield EXACT, [_page(exact, *one, _EXACT_OPTIONS) for one in asked]
    yield ROUNDED, [_page(rounded, *one, _EXACT_OPTIONS) for one in asked]
    for way, options in WAYS.items():
        yield way, [_page(exact, *one, options) for one in asked]


def _page(model: Model, prompt: Prompt, rules: PageRules, options: DecodeOptions) -> Page:
    return {
        event.entity: discount(event.row_position, event.entity_position)
        for event in decode_page(model, prompt, rules, options)
        if isinstance(event, EntityChosen)
    }


def _prompt(model: Model, data: Interactions, request: Request) -> Prompt:
    return EngineSystem(model, data).prompt(request)


def _rules(model: Model, data: Interactions, request: Request) -> PageRules:
    """Nothing that was watched stands on the page."""
    facts = RequestFacts(
        at_ms=request.at_ms,
        rows=ROWS,
        entities_per_row=ENTITIES_PER_ROW,
        watched=frozenset(data.entities[entity] for entity in request.history_H.tolist()),
    )
    everything = range(len(model.snapshot.entities))  # a row of what is popular offers all
    return compile_rules(CompiledCatalog(model.snapshot), facts, everything)
