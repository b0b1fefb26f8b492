"""The protocols: which interactions are fitted on, which are predicted, and from what.

Letters: X interactions, U users.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.interactions import Interactions, Ints
from pagecast.trainer.evaluation.requests import FRESH, FitPart, Plan, Request, Split

LEAVE_ONE_OUT, TEMPORAL, PREQUENTIAL = "leave-one-out", "temporal", "prequential"
PROTOCOLS = (LEAVE_ONE_OUT, TEMPORAL, PREQUENTIAL)

STALENESS_S = (FRESH, 5.0, 60.0, 300.0, 3600.0, 86_400.0)
"""Delays of the staleness curve, in seconds: a stream's, a micro-batch's, ... a nightly job's."""

USER_INTERACTIONS_MIN = 3
"""Of a user in leave-one-out: one to test, one to choose by, one to know."""

HELD_OUT_ONE_IN = 10
"""One in so many interactions, the newest, is held out for the test; of the rest, for choosing."""

INTERACTIONS_MIN = 20
"""Below, a tenth of nine tenths is nothing."""


def plan_of(protocol: str, data: Interactions, staleness_s: Sequence[float] = (FRESH,)) -> Plan:
    """Applies a protocol. Raises EvaluationError if it is not known or the data are too few."""
    refuse(protocol, staleness_s)
    if protocol == LEAVE_ONE_OUT:
        return _leave_one_out(data)
    return _chronological(protocol, data, staleness_s)


def refuse(protocol: str, staleness_s: Sequence[float]) -> None:
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

    return Plan(protocol=LEAVE_ONE_OUT, validation=split(2), tests={FRESH: split(1)})


def _before(data: Interactions, user: int, target: int) -> Request:
    """A request that sees all that stands before the target, also of the same moment."""
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


def _chronological(protocol: str, data: Interactions, staleness_s: Sequence[float]) -> Plan:
    if len(data) < INTERACTIONS_MIN:
        raise EvaluationError(
            f"data: {len(data)} interactions; {protocol} needs {INTERACTIONS_MIN} at least: "
            "give more events"
        )
    order_X = data.in_time_order()
    test_from = len(order_X) - len(order_X) // HELD_OUT_ONE_IN
    choose_from = test_from - test_from // HELD_OUT_ONE_IN
    cut = _Cut(protocol == TEMPORAL, data)
    return Plan(
        protocol=protocol,
        validation=cut.split(order_X[:test_from], choose_from, FRESH),
        tests=cut.tests(order_X, test_from, {FRESH, *staleness_s}),
    )


class _Cut:
    """Splits a timeline in two; `frozen` histories end where the fit does."""

    def __init__(self, frozen: bool, data: Interactions) -> None:
        self._frozen, self._data = frozen, data
        self._step_at_ms = [
            np.array([step.occurred_at_ms for step in user.steps], np.int64) for user in data.users
        ]

    def tests(self, order_X: Ints, fit_until: int, delays_s: set[float]) -> dict[float, Split]:
        """One split by delay, all with the very same fit part: what is fitted once serves all."""
        fresh = self.split(order_X, fit_until, FRESH)
        tests = {FRESH: fresh}
        for delay_s in sorted(delays_s - {FRESH}):
            tests[delay_s] = self._after(fresh.part, order_X[fit_until:], delay_s)
        return tests

    def split(self, order_X: Ints, fit_until: int, delay_s: float) -> Split:
        return self._after(self._part(order_X, fit_until), order_X[fit_until:], delay_s)

    def _part(self, order_X: Ints, fit_until: int) -> FitPart:
        """A user's steps end at the first interaction that is not fitted on, or at the cut."""
        data = self._data
        fit_X = np.zeros(len(data), np.bool_)
        fit_X[order_X[:fit_until]] = True
        cut_ms = int(data.at_ms_X[order_X[fit_until - 1]])
        steps_U = np.array(
            [np.searchsorted(at_ms, cut_ms, side="right") for at_ms in self._step_at_ms], np.int64
        )
        hidden_X = np.flatnonzero(~fit_X)
        np.minimum.at(steps_U, data.user_X[hidden_X], data.step_X[hidden_X])
        return FitPart(data=data, fit_X=fit_X, steps_U=steps_U)

    def _after(self, part: FitPart, target_X: Ints, delay_s: float) -> Split:
        requests = tuple(
            self._frozen_request(part, moment) if self._frozen else self._request(moment, delay_s)
            for moment in _moments(self._data, target_X)
        )
        revealed_X = np.empty(0, np.int64) if self._frozen else target_X
        return Split(part=part, requests=requests, revealed_X=revealed_X)

    def _request(self, moment: tuple[int, ...], delay_s: float) -> Request:
        """Fresh: strictly earlier, which in whole milliseconds is one millisecond late."""
        data = self._data
        user, at_ms = int(data.user_X[moment[0]]), int(data.at_ms_X[moment[0]])
        until_ms = at_ms - max(1, round(delay_s * 1000))
        own = data.of(user)
        interactions = int(np.searchsorted(data.at_ms_X[own], until_ms, side="right"))
        return Request(
            user=user,
            at_ms=at_ms,
            step=int(data.step_X[moment[0]]),
            visible=int(np.searchsorted(self._step_at_ms[user], until_ms, side="right")),
            history_H=data.entity_X[own][:interactions],
            sees_until_ms=until_ms,
            targets=moment,
        )

    def _frozen_request(self, part: FitPart, moment: tuple[int, ...]) -> Request:
        data = self._data
        user, at_ms = int(data.user_X[moment[0]]), int(data.at_ms_X[moment[0]])
        own = data.of(user)
        return Request(
            user=user,
            at_ms=at_ms,
            step=int(data.step_X[moment[0]]),
            visible=int(part.steps_U[user]),
            history_H=data.entity_X[own][part.fit_X[own]],
            sees_until_ms=at_ms - 1,
            targets=moment,
        )


def _moments(data: Interactions, target_X: Ints) -> Iterator[tuple[int, ...]]:
    """Targets of one user at one moment belong to one request: they do not see each other."""

    def moment(x: int) -> tuple[int, int]:
        return int(data.at_ms_X[x]), int(data.user_X[x])

    for _, together in groupby(target_X.tolist(), key=moment):
        yield tuple(together)
