import dataclasses

import pytest
from trainer.factories_trainer import SMALL

from pagecast.trainer.benchmarks.step_cost import evenly_played, step_costs

BRIEF = dataclasses.replace(SMALL, positions_per_batch=128)


@pytest.mark.parametrize("negatives", [0, 16])
def test_every_size_is_trained_and_told(negatives: int) -> None:
    costs = list(
        step_costs([50, 100], negatives, BRIEF, users=4, user_steps=8, steps=1, warm_steps=0)
    )
    assert [cost.entities for cost in costs] == [50, 100]
    assert {cost.negatives for cost in costs} == {negatives}
    assert all(cost.cpu_seconds > 0 and cost.peak_bytes > 0 for cost in costs)


def test_every_entity_has_an_id_of_its_own() -> None:
    data = evenly_played(100, users=3, user_steps=8, config=BRIEF)
    assert len(data.vocabulary.entity_ids) == len(data.catalog.entities) == 100
    assert [len(user.steps) for user in data.users] == [8, 8, 8]
