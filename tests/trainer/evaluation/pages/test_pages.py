"""Whole pages end to end: sampled requests, the engine's pages, figures."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from trainer.factories_trainer import SMALL, in_time_order, logged, replayed, walk

from pagecast.engine.page_events import EntityChosen, PageEvent
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.rules.facts import RequestFacts
from pagecast.trainer.evaluation.pages.page_asked import AskedPage
from pagecast.trainer.evaluation.pages.page_figures import page_figures
from pagecast.trainer.evaluation.pages.page_making import popular_pages
from pagecast.trainer.evaluation.pages.page_sample import PageAsk, sample_pages
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.protocols.requests import Plan, Request
from pagecast.trainer.evaluation.protocols.splits import PREQUENTIAL, plan_of
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.systems.families import families

PAGES = 6


def facts_of(data: Interactions, request: Request) -> RequestFacts:
    watched = frozenset(data.entities[entity] for entity in request.history_H.tolist())
    return RequestFacts(at_ms=request.at_ms, device="tv", country="DE", watched=watched, rows=4)


ASK = PageAsk(facts_of=facts_of, pages=PAGES)


@pytest.fixture(scope="module")
def plan(catalog: CatalogSnapshot) -> Plan:
    walks = in_time_order(walk(user) for user in range(40))
    return plan_of(PREQUENTIAL, interactions_of(replayed(logged(walks)), catalog))


@pytest.fixture(scope="module")
def asked(plan: Plan) -> Sequence[AskedPage]:
    return sample_pages(plan.test, ASK)


def test_a_sample_is_drawn_by_its_seed_alone(plan: Plan, asked: Sequence[AskedPage]) -> None:
    assert len(asked) == PAGES
    again = sample_pages(plan.test, ASK)
    assert [one.request for one in again] == [one.request for one in asked]
    other = sample_pages(plan.test, replace(ASK, seed=1))
    assert [one.request for one in other] != [one.request for one in asked]


def test_a_future_is_what_the_user_chooses_next_and_has_not_seen(
    plan: Plan, asked: Sequence[AskedPage]
) -> None:
    data = plan.test.part.data
    for one in asked:
        assert one.future.isdisjoint(one.request.history_H.tolist())
        own = data.of(one.request.user)
        later = data.at_ms_X[own] >= one.request.at_ms
        assert one.future <= set(data.entity_X[own][later].tolist())
        assert len(one.prompt.steps) == one.request.visible


def test_popularity_is_as_of_the_request(plan: Plan, asked: Sequence[AskedPage]) -> None:
    """The last request knows what was revealed before it, which the first one did not."""
    first, last = asked[0], asked[-1]
    assert first.scores_N.tolist() != last.scores_N.tolist()
    assert list(last.popular) == sorted(last.popular, key=lambda e: (-last.scores_N[e], e))


def test_pages_of_model_and_popularity_keep_the_rules(plan: Plan) -> None:
    config = replace(SMALL, epochs=8.0)
    systems = families(["popularity", "ease", "pagecast"], (0,), config)
    report = evaluate(plan, systems, data_name="walks", pages=ASK)
    popularity, ease, ours = (system.pages for system in report.systems)
    assert ease is None, "it ranks, and makes no pages"
    assert popularity is not None
    assert ours is not None
    assert (popularity.rules_kept, ours.rules_kept) == (1.0, 1.0)
    assert (popularity.broken, ours.broken) == ((), ())
    assert popularity.calibration is None, "it estimates nothing"
    assert ours.calibration is not None
    assert sum(part.predictions for part in ours.calibration.bins) > PAGES
    for figures in (popularity, ours):
        assert figures.pages == PAGES
        assert 0.0 < figures.row_hit_rate <= figures.page_hit_rate <= 1.0
        assert 0.0 < figures.viewport_gain <= 1.0


def test_a_page_that_breaks_a_rule_is_counted_and_told(
    plan: Plan, asked: Sequence[AskedPage]
) -> None:
    with popular_pages() as make:

        def broken(one: AskedPage) -> list[PageEvent]:
            """The first entity of each row stands in every place of it."""
            events = list(make(one))
            first = next(e.entity for e in events if isinstance(e, EntityChosen))
            return [replace(e, entity=first) if isinstance(e, EntityChosen) else e for e in events]

        found = page_figures(plan.test.part.data, asked, broken, says_probabilities=False)
    assert found.rules_kept == 0.0
    assert any("twice" in text for text in found.broken)
