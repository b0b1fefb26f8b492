"""A model that knows what was before learns what came between two fits."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from trainer.evaluation.factories_evaluation import untold
from trainer.factories_trainer import SMALL

from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.protocols.chronological import Cut
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.splits import PREQUENTIAL, plan_of
from pagecast.trainer.evaluation.systems.pagecast_system import PagecastSystem
from pagecast.trainer.evaluation.systems.retraining import slice_of
from pagecast.trainer.evaluation.systems.training import Trainings

BRIEF = replace(
    SMALL,
    epochs=1e-3,
    incremental=replace(SMALL.incremental, epochs=1e-3),
    positions_per_batch=512,
)
"""One step of a training, and one of a retraining."""


@cache
def data() -> Interactions:
    return made_up(DEFAULT_FOLD, users=16, entities=80)


def weights(system: PagecastSystem) -> torch.Tensor:
    parameters = [p.detach().flatten() for p in system.trained.model.parameters()]
    return torch.cat(parameters).clone()


def test_a_slice_is_what_came_between_two_fits() -> None:
    every, cut = data(), Cut(False, data())
    order_X = every.in_time_order()
    before, part = cut.part(order_X, 600), cut.part(order_X, 700)
    snapshot, replayed = slice_of(before, part, TrainConfig(), runs=0)
    new = {user.user_id: int(user.new_N.sum()) for user in snapshot.users}
    known = dict(zip((u.user_id for u in every.users), before.steps_U.tolist(), strict=True))
    now = dict(zip((u.user_id for u in every.users), part.steps_U.tolist(), strict=True))
    assert sum(new.values()) == int((part.steps_U - before.steps_U).sum()) > 0
    assert all(count == now[user] - known[user] for user, count in new.items())
    assert {user for user, count in new.items() if not count} <= replayed


def test_each_retraining_goes_on_from_the_last_and_a_fit_begins_again() -> None:
    split = plan_of(PREQUENTIAL, data(), retrain_every=40).test
    assert len(split.retrainings) == 2
    system = PagecastSystem(BRIEF, Trainings())
    system.fit(split.part, untold)
    fitted, steps = weights(system), system.trained.fit.steps
    answer(system, split)
    start = system.trained.start
    assert start is not None
    assert start.base.incremental_runs == 1, "the second of two"
    assert not torch.equal(weights(system), fitted)
    system.fit(split.part, untold)
    assert torch.equal(weights(system), fitted), "the first fit is kept as it was"
    assert system.trained.fit.steps == steps


def test_retraining_on_the_same_slice_twice_gives_the_same_model() -> None:
    split = plan_of(PREQUENTIAL, data(), retrain_every=80).test
    (retraining,) = split.retrainings
    scores = []
    for _ in range(2):
        system = PagecastSystem(BRIEF, Trainings())
        system.fit(split.part, untold)
        system.retrain(retraining.part())
        scores.append(system.scores(split.requests[-3:]))
    assert np.array_equal(*scores)


@pytest.mark.parametrize("delay_s", [0.0, 3600.0])
def test_no_retraining_knows_what_the_request_after_it_does_not_see(delay_s: float) -> None:
    split = plan_of(PREQUENTIAL, data(), (delay_s,), retrain_every=7).tests[delay_s]
    at_ms_X = data().at_ms_X
    assert split.retrainings
    for retraining in split.retrainings:
        part, request = retraining.part(), split.requests[retraining.before]
        assert at_ms_X[part.fit_X].max() <= request.sees_until_ms
        assert (part.fit_X >= split.part.fit_X).all()
        for user, steps in zip(data().users, part.steps_U.tolist(), strict=True):
            if steps:
                assert user.steps[steps - 1].occurred_at_ms <= request.sees_until_ms
