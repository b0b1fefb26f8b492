"""The protocols: which interactions are fitted on, which are predicted, and from what.

Letters: X interactions, U users.
"""

import math
from collections.abc import Sequence

import numpy as np

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.chronological import (
    RETRAININGS_MAX,
    Cut,
    newest_from,
    refuse_few,
)
from pagecast.trainer.evaluation.protocols.cold_start import COLD_START, cold_start_plan
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import FRESH, FitPart, Plan, Request, Split

LEAVE_ONE_OUT, TEMPORAL, PREQUENTIAL = "leave-one-out", "temporal", "prequential"
PROTOCOLS = (LEAVE_ONE_OUT, TEMPORAL, PREQUENTIAL, COLD_START)

STALENESS_S = (FRESH, 5.0, 60.0, 300.0, 3600.0, 86_400.0)
"""Delays of the staleness curve, in seconds: a stream's, a micro-batch's, ... a nightly job's."""

USER_INTERACTIONS_MIN = 3
"""Of a user in leave-one-out: one to test, one to choose by, one to know."""


def plan_of(
    protocol: str,
    data: Interactions,
    staleness_s: Sequence[float] = (FRESH,),
    retrain_every: int = 0,
) -> Plan:
    """Applies a protocol. Raises EvaluationError if it is not known or the data are too few.

    With `retrain_every`, systems are retrained in the test, each time after that many targets.
    """
    refuse(protocol, staleness_s, retrain_every)
    if protocol == LEAVE_ONE_OUT:
        return _leave_one_out(data)
    if protocol == COLD_START:
        return cold_start_plan(data)
    return _chronological(protocol, data, staleness_s, retrain_every)


def refuse(protocol: str, staleness_s: Sequence[float], retrain_every: int = 0) -> None:
    """Raises EvaluationError if there is no such protocol, or none with these delays."""
    if protocol not in PROTOCOLS:
        raise EvaluationError(
            f"protocol: {protocol!r} is not known; take one of {', '.join(PROTOCOLS)}"
        )
    if protocol != PREQUENTIAL and set(staleness_s) - {FRESH}:
        raise EvaluationError(
            f"staleness: {protocol} has no revealed events to be late; take {PREQUENTIAL}"
        )
    if not all(0 <= delay_s < math.inf for delay_s in staleness_s):
        raise EvaluationError("staleness: give seconds of 0 and more")
    if retrain_every < 0:
        raise EvaluationError("retrain-every: give a number of interactions, or 0 for never")
    if protocol != PREQUENTIAL and retrain_every:
        raise EvaluationError(
            f"retrain-every: {protocol} has no revealed events to learn; take {PREQUENTIAL}"
        )


def _leave_one_out(data: Interactions) -> Plan:
    """A user's last interaction is the test, the one before it chooses, the fit has neither."""
    end_U = data.begin_U[1:]
    count_U = np.diff(data.begin_U)
    last_fit_U = np.maximum(end_U - 2, data.begin_U[:-1])
    fit_X = np.arange(len(data)) < last_fit_U[data.user_X]
    steps_U = np.array([len(user.steps) for user in data.users], np.int64)
    some_U = count_U > 0
    steps_U[some_U] = data.step_X[last_fit_U[some_U]]
    part = FitPart(data=data, fit_X=fit_X, steps_U=steps_U)
    users = np.flatnonzero(count_U >= USER_INTERACTIONS_MIN).tolist()
    if not users:
        raise EvaluationError(
            f"data: no user has {USER_INTERACTIONS_MIN} interactions, which {LEAVE_ONE_OUT} "
            f"needs; give more events or take {PREQUENTIAL}"
        )

    def split(back: int) -> Split:
        requests = [_before(data, user, int(end_U[user]) - back) for user in users]
        requests.sort(key=lambda request: request.at_ms)
        return Split(part=part, requests=tuple(requests), revealed_X=np.empty(0, np.int64))

    return Plan(protocol=LEAVE_ONE_OUT, data=data, validation=split(2), tests={FRESH: split(1)})


def _before(data: Interactions, user: int, target: int) -> Request:
    """A request that sees all that stands before the target, even at the same moment."""
    step, at_ms = int(data.step_X[target]), int(data.at_ms_X[target])
    return Request(
        user=user,
        at_ms=at_ms,
        step=step,
        visible=step,
        history_H=data.entity_X[data.begin_U[user] : target],
        sees_until_ms=at_ms - 1,
        targets=(target,),
    )


def _chronological(
    protocol: str, data: Interactions, staleness_s: Sequence[float], retrain_every: int
) -> Plan:
    refuse_few(data, protocol)
    order_X = data.in_time_order()
    test_from = newest_from(order_X)
    if retrain_every and (len(order_X) - test_from) / retrain_every > RETRAININGS_MAX:
        least = math.ceil((len(order_X) - test_from) / RETRAININGS_MAX)
        raise EvaluationError(
            f"retrain-every: {retrain_every} makes more than {RETRAININGS_MAX:,} retrainings of "
            f"{len(order_X) - test_from:,} targets; give {least} at least"
        )
    cut = Cut(protocol == TEMPORAL, data)
    return Plan(
        protocol=protocol,
        data=data,
        validation=cut.split(order_X[:test_from], newest_from(order_X[:test_from]), FRESH),
        tests=cut.tests(order_X, test_from, staleness_s, retrain_every),
        retrain_every=retrain_every,
    )
