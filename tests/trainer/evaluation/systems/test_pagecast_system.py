"""Our model as a system: trained on the fit part only, asked as it is served."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from trainer.evaluation.factories_evaluation import untold
from trainer.factories_decoded import decoded_page, decoded_prompt
from trainer.factories_trainer import SMALL, in_time_order, logged, replayed, walk

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.users import prompt_at
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.evaluation.protocols.splits import PREQUENTIAL, plan_of
from pagecast.trainer.evaluation.systems.pagecast_system import (
    PAGECAST,
    PagecastSystem,
    pagecast_families,
)
from pagecast.trainer.evaluation.systems.training import Trainings

BRIEF = replace(SMALL, epochs=1.0)

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def plan(catalog: CatalogSnapshot) -> Plan:
    """Thirty walks that begin on one day, an hour between steps; an entity that no catalog has."""
    known = replace(catalog, entities=catalog.entities[:-1])
    users = replayed(logged(in_time_order(walk(user) for user in range(30))))
    return plan_of(PREQUENTIAL, interactions_of(users, known), (0.0, 2 * HOUR_S))


@pytest.fixture(scope="module")
def system(plan: Plan) -> PagecastSystem:
    system = PagecastSystem(BRIEF, Trainings())
    system.fit(plan.test.part, untold)
    return system


def test_it_is_trained_on_the_steps_of_the_fit_part(plan: Plan, system: PagecastSystem) -> None:
    assert system.trained.steps == int(plan.test.part.steps_U.sum())
    assert system.trained.steps < sum(len(user.steps) for user in plan.test.part.data.users)


def test_a_fresh_request_sees_what_a_prompt_of_that_moment_holds(
    plan: Plan, system: PagecastSystem
) -> None:
    """Scored as a page is decoded: the prompt, then the row's token."""
    data, trained = plan.test.part.data, system.trained
    request, catalog, vocabulary = plan.test.requests[-1], data.catalog, trained.vocabulary
    prompt = prompt_at(data.users[request.user], request.visible, catalog)
    encoded = encode_prompt(prompt, vocabulary)
    with torch.no_grad():
        features = catalog_features(catalog, vocabulary)
        input_ED, output_ED = trained.model.embed_entities(features)
        index = [catalog.entity_index.get(e, -1) for e in encoded.entity_ids]
        padded_ED = torch.cat([input_ED, torch.zeros_like(input_ED[:1])])
        fields_BTF = torch.from_numpy(encoded.fields_TF)[None]
        tokens_BTD = trained.model.embed_steps(padded_ED[index][None], fields_BTF)
        _, keys, values = decoded_prompt(trained.model, tokens_BTD)
        top_D = trained.model.row_input_RD[vocabulary.row_ids["top"]] + tokens_BTD[0, -1]
        hidden_BSD = decoded_page(trained.model, top_D[None, None], keys, values)
        expected_E = (output_ED @ hidden_BSD[0, 0]).numpy()
    (score_N,) = system.scores([request])
    assert score_N[: len(expected_E)] == pytest.approx(expected_E, abs=1e-4)


def test_requests_asked_alone_score_what_they_score_together(
    plan: Plan, system: PagecastSystem
) -> None:
    for split in plan.tests.values():
        requests = split.requests[:8]
        together_QN = system.scores(requests)
        alone_QN = np.concatenate([system.scores([request]) for request in requests])
        assert together_QN == pytest.approx(alone_QN, abs=1e-4)


def test_a_late_request_does_not_depend_on_what_it_does_not_see(
    plan: Plan, system: PagecastSystem
) -> None:
    late = plan.tests[2 * HOUR_S].requests[-1]
    fresh = plan.test.requests[-1]
    assert late.visible < fresh.visible
    assert not np.allclose(system.scores([late]), system.scores([fresh]))
    unseen = replace(late, history_H=fresh.history_H)
    assert np.array_equal(system.scores([late]), system.scores([unseen]))


def test_an_entity_the_catalog_lacks_cannot_be_scored(plan: Plan, system: PagecastSystem) -> None:
    data = plan.test.part.data
    assert len(data.entities) == len(data.catalog.entities) + 1
    (score_N,) = system.scores(plan.test.requests[:1])
    assert np.isneginf(score_N).tolist() == [False] * len(data.catalog.entities) + [True]


def test_each_seed_is_a_model_of_its_own() -> None:
    family = pagecast_families((1, 2), BRIEF)[PAGECAST]
    assert family.seeds == (1, 2)
    (one,), (other,) = family.candidates(1), family.candidates(2)
    assert one.make() is not other.make()
