"""How long a prompt is to a model: a position for each step, or for each of its codes."""

from dataclasses import replace

import numpy as np
import pytest
from trainer.semantic.test_spelling import spelling_model

from pagecast.featurestore.prompt.semantic_ids import NO_TOKEN
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.evaluation.protocols.cold_start import WARM, cold_start_plan
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.evaluation.protocols.requests import Split
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem


@pytest.fixture(scope="module")
def data(dataset: Dataset) -> Interactions:
    return interactions_of(dataset.users, dataset.catalog)


@pytest.fixture(scope="module")
def split(data: Interactions) -> Split:
    return cold_start_plan(data, warm_max=12).beside[WARM]


def test_targets_that_are_not_cold_may_be_more_than_the_cold_ones(data: Interactions) -> None:
    plan = cold_start_plan(data, warm_max=12)
    assert len(plan.beside[WARM].targets()) == 12 > len(plan.test.targets())


def test_a_merged_prompt_has_a_position_a_step_and_a_spelled_one_its_codes(
    dataset: Dataset, split: Split
) -> None:
    """Profile and row have one each; so has what a context names, and the request behind it."""
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    system = TrainedSystem(model, dataset.vocabulary)
    system.fit(split.part)
    merged_Q = np.array(system.positions(split.requests))
    visible_Q = np.array([request.visible for request in split.requests])
    assert (merged_Q >= visible_Q + 2).all()
    model.config = replace(model.config, merge_prompt=False)
    spelled_Q = np.array(system.positions(split.requests))
    index = split.part.data.catalog.entity_index
    count_E = (embedded.token_EL != NO_TOKEN).sum(1)
    more_Q = [
        sum(
            int(count_E[index[step.entity_id]]) - 1
            for step in split.part.data.users[request.user].steps[: request.visible]
        )
        for request in split.requests
    ]
    assert (spelled_Q - merged_Q).tolist() == more_Q
