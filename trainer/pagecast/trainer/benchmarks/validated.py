"""What a config predicts: NDCG@10 and HR@10 on the validation part of leave-one-out.

That part is each user's last but one interaction; the test is never looked at, so that what is
chosen here has not seen it.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.figures.ranks import hit_gains, ndcg_gains
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import FitPart
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, plan_of
from pagecast.trainer.evaluation.systems.pagecast_system import PagecastSystem
from pagecast.trainer.evaluation.systems.training import Trainings


def validated(
    data: Interactions,
    config: TrainConfig,
    *,
    users_share: float = 1.0,
    told: Callable[[float], None] = lambda _: None,
) -> Figures:
    """Trains on a share of the users, and predicts for all of them."""
    split = plan_of(LEAVE_ONE_OUT, data).validation
    system = PagecastSystem(config, Trainings())
    began_s = time.process_time()
    system.fit(part_of_users(split.part, users_share, config.seed), told)
    cpu_seconds = time.process_time() - began_s
    masked_T = answer(system, split).masked_T
    told_of_ids = {}
    if (rate := system.hallucination_rate) is not None:
        told_of_ids = {"hallucination_rate": rate}
    return {
        **told_of_ids,
        "ndcg_at_10": float(ndcg_gains(masked_T).mean()),
        "hr_at_10": float(hit_gains(masked_T).mean()),
        "cpu_seconds": cpu_seconds,
        "epochs": system.trained.fit.epochs,
    }


def part_of_users(part: FitPart, share: float, seed: int) -> FitPart:
    """The part of some users alone, drawn by the seed."""
    users = len(part.steps_U)
    chosen = np.random.default_rng(seed).permutation(users)[: max(1, round(share * users))]
    kept_U = np.zeros(users, np.bool_)
    kept_U[chosen] = True
    return replace(
        part,
        fit_X=part.fit_X & kept_U[part.data.user_X],
        steps_U=np.where(kept_U, part.steps_U, 0),
    )
