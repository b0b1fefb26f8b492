"""The requests for which whole pages are made, the rules of each, and what then happened.

Letters: N entities, X interactions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.pages.page_asked import AskedPage
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request, Split
from pagecast.trainer.evaluation.systems.asked_model import as_late, is_fresh
from pagecast.trainer.evaluation.systems.popularity import Popularity

FactsOf = Callable[[Interactions, Request], RequestFacts]
"""What the rules of a request depend on, as the server finds it out."""

FUTURE_MAX = 20
"""Entities of a future: about two rows; what is chosen much later is not due to this page."""

HALF_LIFE_DAYS = 7.0
"""Of popularity, as the server counts it (`featurestore/catalog/popularity.py`)."""


@dataclass(frozen=True, kw_only=True)
class PageAsk:
    """Asks for whole pages of `pages` requests, drawn by a seed."""

    facts_of: FactsOf
    pages: int = 200
    seed: int = 0


def sample_pages(split: Split, ask: PageAsk) -> tuple[AskedPage, ...]:
    """At most `ask.pages` requests with a future, drawn evenly, in time order."""
    data = split.part.data
    held_out = set(split.targets().tolist())
    with_future = [
        (request, future)
        for request in split.requests
        if (future := _future(data, request, held_out))
    ]
    draw = np.random.default_rng(ask.seed)
    count = min(ask.pages, len(with_future))
    drawn = sorted(draw.choice(len(with_future), count, replace=False).tolist())
    return tuple(_asked(split, [with_future[number] for number in drawn], ask.facts_of))


def _future(data: Interactions, request: Request, held_out: set[int]) -> frozenset[int]:
    """The next held-out entities of the user from the request on."""
    seen = set(request.history_H.tolist())
    future: dict[int, None] = {}
    for x in range(request.targets[0], data.of(request.user).stop):
        entity = int(data.entity_X[x])
        if x in held_out and entity not in seen and entity < len(data.catalog.entities):
            future[entity] = None
            if len(future) == FUTURE_MAX:
                break
    return frozenset(future)


def _asked(
    split: Split, drawn: Sequence[tuple[Request, frozenset[int]]], facts_of: FactsOf
) -> Iterator[AskedPage]:
    data = split.part.data
    catalog = CompiledCatalog(data.catalog)
    popularity = Popularity(HALF_LIFE_DAYS)
    popularity.fit(split.part, lambda _: None)
    revealed_at_ms = data.at_ms_X[split.revealed_X]
    shown = 0
    for request, future in drawn:
        visible = int(np.searchsorted(revealed_at_ms, request.sees_until_ms, side="right"))
        for interaction in split.revealed_X[shown:visible].tolist():
            popularity.reveal(interaction)
        shown = max(shown, visible)
        scores_N = popularity.score_N[: len(data.catalog.entities)]
        popular = tuple(np.argsort(-scores_N, kind="stable")[: np.count_nonzero(scores_N)].tolist())
        facts = facts_of(data, request)
        yield AskedPage(
            request=request,
            prompt=_prompt(data, request),
            facts=facts,
            rules=compile_rules(catalog, facts, popular),
            popular=popular,
            scores_N=scores_N / max(float(scores_N.max(initial=0.0)), 1.0),
            future=future,
        )


def _prompt(data: Interactions, request: Request) -> Prompt:
    user = data.users[request.user]
    if not is_fresh(user, request):
        user = as_late(user, request)
    return prompt_at(user, request.visible, data.catalog)
