"""The protocol cold-start: nothing about a cold entity is known before it is asked for."""

from dataclasses import replace

import numpy as np
import pytest
from trainer.evaluation.factories_evaluation import data_of
from trainer.factories_trainer import SMALL, in_time_order, logged, replayed, walk

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.cold_start import AMONG_COLD, WARM, cold_start_plan
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.protocols.requests import Plan, Split
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.systems.families import COLD_START_SYSTEMS, families
from pagecast.trainer.evaluation.systems.training import known_of


@pytest.fixture(scope="module")
def data(catalog: CatalogSnapshot) -> Interactions:
    walks = in_time_order(walk(user) for user in range(60))
    return interactions_of(replayed(logged(walks)), catalog)


@pytest.fixture(scope="module")
def plan(data: Interactions) -> Plan:
    return cold_start_plan(data)


def cold(split: Split) -> set[str]:
    return {split.part.data.entities[entity] for entity in split.part.held_out}


def test_targets_are_cold_and_no_fit_knows_them(plan: Plan) -> None:
    for split in (plan.test, plan.validation):
        own, part = split.part.data, split.part
        assert len(split.targets())
        target_names = {own.entities[e] for e in own.entity_X[split.targets()].tolist()}
        assert target_names <= cold(split)
        fitted = {own.entities[e] for e in own.entity_X[part.interactions()].tolist()}
        assert fitted.isdisjoint(cold(split))
        known = known_of(part)
        assert cold(split).isdisjoint(e.entity_id for e in known.catalog.entities)
        assert cold(split).isdisjoint(s.entity_id for user in known.users for s in user.steps)


def test_what_chooses_is_not_what_is_tested(plan: Plan) -> None:
    """The test's entities are missing from the validation altogether, targets and histories."""
    own = plan.validation.part.data
    asked = {own.entities[e] for e in own.entity_X[plan.validation.targets()].tolist()}
    assert asked.isdisjoint(cold(plan.test))
    assert cold(plan.test).isdisjoint(own.entities[e] for e in own.entity_X.tolist())
    assert max(r.at_ms for r in plan.validation.requests) < min(
        r.at_ms for r in plan.test.requests
    ), "and it ends where the test begins"


def test_nothing_is_revealed_and_a_cold_entity_is_new(plan: Plan, data: Interactions) -> None:
    assert len(plan.test.revealed_X) == 0
    catalog = plan.test.part.data.catalog
    for name in cold(plan.test):
        assert catalog.entities[catalog.entity_index[name]].age_days == 0.0
        assert data.catalog.entities[catalog.entity_index[name]].age_days > 0.0


def test_the_other_questions_are_of_the_cold_alone_and_of_as_many_others(plan: Plan) -> None:
    among, warm = plan.beside[AMONG_COLD], plan.beside[WARM]
    assert among.among_N is not None
    assert set(np.flatnonzero(among.among_N).tolist()) == plan.test.part.held_out
    assert len(warm.targets()) == len(plan.test.targets())
    own = warm.part.data
    assert plan.test.part.held_out.isdisjoint(own.entity_X[warm.targets()].tolist())


def test_the_same_data_have_the_same_cold_entities(plan: Plan, data: Interactions) -> None:
    assert cold(cold_start_plan(data).test) == cold(plan.test)


def test_without_metadata_and_counts_no_cold_entity_is_told_from_another(plan: Plan) -> None:
    config = replace(SMALL, epochs=2.0)
    report = evaluate(plan, families(COLD_START_SYSTEMS, (0,), config), data_name="walks")
    by_name = {system.name: system for system in report.systems}
    assert list(by_name) == list(COLD_START_SYSTEMS)
    alike = {by_name[name].beside[AMONG_COLD] for name in ("popularity", "pagecast-no-metadata")}
    assert len(alike) == 1, "all tie, and ties count against"
    assert by_name["popularity"].figures.masked.hr_at_10 == 0.0
    assert report.reference == "metadata-knn"
    assert by_name["pagecast"].difference is not None


def test_too_few_data_are_refused() -> None:
    with pytest.raises(EvaluationError, match="cold-start"):
        cold_start_plan(data_of(("u", "a", 1), ("u", "b", 2), catalog=("a", "b")))
