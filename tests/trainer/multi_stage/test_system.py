"""The baseline's entity ranker as a system that is asked for the next entity."""

import numpy as np
from engine.multi_stage.factories_multi_stage import tables_of
from factories import START_MS, play
from trainer.factories_trainer import HOUR_MS, logged, replayed

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.protocols.next_slice import slice_plan
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.multi_stage.system import MultiStageSystem


def plan_of(catalog: CatalogSnapshot, *watched: tuple[str, str], known: int) -> Plan:
    """Plays of (user, entity), an hour apart; the first `known` are what a training knows."""
    events = [play(u, e, START_MS + n * HOUR_MS) for n, (u, e) in enumerate(watched)]
    return slice_plan(catalog, replayed(logged(events), known={("log", 0): known}))


def ids_of(catalog: CatalogSnapshot) -> list[str]:
    return [entity.entity_id for entity in catalog.entities]


def test_what_goes_with_the_last_entity_is_ranked_first(catalog: CatalogSnapshot) -> None:
    tables = tables_of(ids_of(catalog), together={("e1", "e7"): 1.0, ("e2", "e9"): 1.0})
    plan = plan_of(catalog, ("u", "e1"), ("v", "e2"), ("u", "e7"), ("v", "e9"), known=2)
    found = answer(_fitted(MultiStageSystem(tables), plan), plan.test)
    assert found.masked_T.tolist() == [1, 1]


def test_the_popularity_of_the_moment_goes_on_as_things_are_revealed(
    catalog: CatalogSnapshot,
) -> None:
    tables = tables_of(ids_of(catalog), entity={"popular_now": 1.0})
    watched = [("u", "e1"), ("v", "e5"), ("w", "e5"), ("u", "e5")]
    plan = plan_of(catalog, *watched, known=1)
    system = MultiStageSystem(tables)
    ranks_T = answer(_fitted(system, plan), plan.test).masked_T
    assert ranks_T[0] > 1, "nobody had taken it up yet"
    assert ranks_T[1:].tolist() == [1, 1]
    assert answer(_fitted(system, plan), plan.test).masked_T.tolist() == ranks_T.tolist()


def test_what_the_catalog_lacks_cannot_be_ranked(catalog: CatalogSnapshot) -> None:
    system = MultiStageSystem(tables_of(ids_of(catalog)))
    plan = plan_of(catalog, ("u", "e1"), ("u", "unknown"), known=1)
    score_QN = _fitted(system, plan).scores(plan.test.requests)
    unknown = plan.data.entities.index("unknown")
    assert np.isneginf(score_QN[:, unknown]).all()
    assert np.isfinite(np.delete(score_QN, unknown, axis=1)).all()


def _fitted(system: MultiStageSystem, plan: Plan) -> MultiStageSystem:
    system.fit(plan.test.part, lambda _: None)
    return system
