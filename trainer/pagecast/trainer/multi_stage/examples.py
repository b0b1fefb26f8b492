"""What the rankers learn from: requests of the past, their rules, and what was taken up then.

Letters: N entities of the catalog.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pagecast.featurestore.catalog.popularity import HALF_LIFE_MS
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules import bitsets
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.predicates import Indices
from pagecast.trainer.data.request_facts import facts_of_prompt
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.multi_stage.co_occurrence import DAY_MS, popularity_until
from pagecast.trainer.multi_stage.config import MultiStageConfig


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request just before something was taken up: `chosen`, which might have stood there."""

    prompt: Prompt
    rules: PageRules
    chosen: int


def drawn(data: Interactions, late_X: Sequence[int], config: MultiStageConfig) -> tuple[int, ...]:
    """Interactions to learn from, in time order: of `late_X`, some of those with a known prompt."""
    known = len(data.catalog.entities)
    usable = [
        x
        for x in late_X
        if data.entity_X[x] < known and data.users[data.user_X[x]].cut_N[data.step_X[x]]
    ]
    draw = np.random.default_rng(config.seed)
    count = min(config.examples_max, len(usable))
    if not count:
        return ()
    places = np.sort(draw.choice(len(usable), count, replace=False)).tolist()
    return tuple(usable[place] for place in places)


def examples(
    data: Interactions, catalog: CompiledCatalog, drawn_X: Sequence[int], config: MultiStageConfig
) -> Iterator[Example]:
    """Made one by one: the rules of a large catalog are large."""
    moments = [int(data.at_ms_X[x]) for x in drawn_X]
    scores = popularity_until(data, moments, HALF_LIFE_MS / DAY_MS)
    for x, score_N in zip(drawn_X, scores, strict=True):
        user, step = data.users[data.user_X[x]], int(data.step_X[x])
        prompt = prompt_at(user, step, data.catalog)
        own_N = score_N[: len(data.catalog.entities)]
        popular = np.argsort(-own_N, kind="stable")[: np.count_nonzero(own_N)]
        rules = rules_of(prompt, catalog, popular, config)
        chosen = int(data.entity_X[x])
        if bitsets.holds(rules.candidates_RW, chosen).any():
            yield Example(prompt=prompt, rules=rules, chosen=chosen)


def rules_of(
    prompt: Prompt, catalog: CompiledCatalog, popular: Indices, config: MultiStageConfig
) -> PageRules:
    """Of a page of `config`'s size.

    Without what can be continued: it has a row of its own, whose place and order no ranker chooses,
    and continuing something would be an example of what rankers do not see.
    """
    facts = facts_of_prompt(
        prompt, catalog.snapshot, rows=config.rows, entities_per_row=config.entities_per_row
    )
    return compile_rules(catalog, replace(facts, resume=()), popular)
