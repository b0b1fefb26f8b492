"""Requests for which pages are drawn: the prompts of logged pages, and what may stand there.

The rules are compiled from what the prompt says and the caller asked. A server also knows what left
the history's window (hidden and watched entities), where to resume from, and the counts of that
moment; here what was watched and not completed can be continued, and popularity is the training's.
So a drawn page may offer what a served one would not, and never the other way round for what the
window holds.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.asked import asked_facts
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.page_state import PageState
from pagecast.rules.predicates import Indices
from pagecast.trainer.alignment.config import ASKS_MAX, AlignConfig
from pagecast.trainer.data.request_facts import facts_of_prompt
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.pages.shown import ShownPage


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """A page that may be drawn again and again.

    `chosen` maps the logged page's entities of which something good came to the row where each
    stood, all by catalog index; it is empty before the page's window is over.
    """

    user_id: str
    prompt: Prompt
    rules: PageRules
    chosen: Mapping[int, int] = field(default_factory=dict)


def asks_of(
    pages: Sequence[ShownPage],
    catalog: CompiledCatalog,
    vocabulary: Vocabulary,
    config: AlignConfig,
    reward: RewardConfig,
) -> tuple[Ask, ...]:
    """An ask of each of the newest ASKS_MAX logged pages, if a row may stand on it now; oldest
    first, and of one member no more than `reward.weight_max`, as many as count.

    Raises NothingToTrainError if there is none.
    """
    newest = _newest(pages, config.reward.weight_max)
    asks = tuple(_asks(newest, catalog, vocabulary, config, reward))
    if not asks:
        raise NothingToTrainError(
            "align: no logged page to draw again; serve pages and ingest what becomes of them"
        )
    return asks


def _newest(pages: Sequence[ShownPage], of_member_max: int) -> list[ShownPage]:
    """By the time of the request: logged pages come user by user."""
    taken: Counter[str] = Counter()
    newest: list[ShownPage] = []
    by_time = sorted(pages, key=lambda page: page.prompt.request.at_ms)
    for page in reversed(by_time):
        if len(newest) == ASKS_MAX:
            break
        if taken[page.user_id] < of_member_max:
            taken[page.user_id] += 1
            newest.append(page)
    return newest[::-1]


def _asks(
    pages: Sequence[ShownPage],
    catalog: CompiledCatalog,
    vocabulary: Vocabulary,
    config: AlignConfig,
    reward: RewardConfig,
) -> Iterator[Ask]:
    popular = _popular(catalog.snapshot, vocabulary)
    for page in pages:
        rules = compile_rules(catalog, _facts(page, catalog.snapshot, config), popular)
        # Too few candidates may fill no row: a caller named them, and they were retired since.
        if not PageState(rules).page_complete:
            yield Ask(
                user_id=page.user_id,
                prompt=page.prompt,
                rules=rules,
                chosen=_chosen(page, catalog.snapshot, reward),
            )


def _facts(page: ShownPage, catalog: CatalogSnapshot, config: AlignConfig) -> RequestFacts:
    """Of the page's prompt and caller, and of its size as far as pages are drawn."""
    longest = min(max(len(row.entity_ids) for row in page.rows), config.entities_max)
    rows = min(len(page.rows), config.rows_max)
    facts = facts_of_prompt(page.prompt, catalog, rows=rows, entities_per_row=longest)
    facts = replace(facts, **asked_facts(page.asked))
    if facts.asked_rows is None:
        return facts
    cut = (
        replace(row, entities_max=min(row.entities_max or longest, longest))
        for row in facts.asked_rows
    )
    return replace(facts, asked_rows=tuple(cut))


def _popular(snapshot: CatalogSnapshot, vocabulary: Vocabulary) -> Indices:
    """Entities by the interactions of the training, most first."""
    index = snapshot.entity_index
    counts = zip(vocabulary.entities, vocabulary.entity_interactions, strict=True)
    known = [(-count, index[entity]) for entity, count in counts if entity in index and count]
    return np.array([entity for _, entity in sorted(known)], np.int64)


def _chosen(page: ShownPage, snapshot: CatalogSnapshot, reward: RewardConfig) -> dict[int, int]:
    chosen: dict[int, int] = {}
    for row in page.rows if page.closed else ():
        for entity_id, outcome in zip(row.entity_ids, row.outcomes, strict=True):
            entity = snapshot.entity_index.get(entity_id, -1)
            if outcome is None or entity < 0 or row.row_id not in snapshot.row_index:
                continue
            if reward.entity(outcome) > 0.0:
                chosen.setdefault(entity, snapshot.row_index[row.row_id])
    return chosen
