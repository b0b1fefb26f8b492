"""Peers choose under our rules."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rules.factories_rules import entity, facts, predicate_row, snapshot

from pagecast.cli.bench.serve.peers import GreedyPage
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules

ENTITIES, ROWS = 60, 3
CATALOG = CompiledCatalog(
    snapshot(
        [entity(f"e{i}", "Comedy") for i in range(ENTITIES)],
        [predicate_row(f"row{i}") for i in range(ROWS)],
    )
)


def rules() -> PageRules:
    return compile_rules(CATALOG, facts(rows=ROWS, entities_per_row=4), ())


@given(st.integers(0, 2**32))
def test_a_page_is_rows_of_entities_that_are_nowhere_else_on_it(seed: int) -> None:
    chance, ended = np.random.default_rng(seed), list[int]()
    page = GreedyPage(rules(), ENTITIES, lambda: ended.append(len(page.placed)))
    tokens = []
    while not page.complete:
        tokens.append(page.choose(chance.normal(size=ENTITIES + ROWS).astype(np.float32)))
    assert tokens == [token if token >= 0 else ENTITIES - 1 - token for token in page.placed]
    assert len(set(tokens)) == len(tokens)
    begun = [position for position, token in enumerate(page.placed) if token < 0]
    assert ended == [*begun[1:], len(page.placed)]


def test_the_best_that_may_stand_is_taken() -> None:
    page = GreedyPage(rules(), ENTITIES, lambda: None)
    logits_V = np.arange(ENTITIES + ROWS, dtype=np.float32)
    # A row comes first, although entities may be likelier; then no entity twice.
    assert [page.choose(logits_V) for _ in range(3)] == [ENTITIES + ROWS - 1, 59, 58]
