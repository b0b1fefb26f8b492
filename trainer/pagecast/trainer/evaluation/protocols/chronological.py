"""A timeline cut in two: fitted on what is before, asked at every moment after it.

Letters: X interactions, U users.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby

import numpy as np

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.interactions import Interactions, Ints
from pagecast.trainer.evaluation.protocols.requests import (
    FRESH,
    FitPart,
    Plan,
    Request,
    Retraining,
    Split,
)

HELD_OUT_ONE_IN = 10
"""One in this many interactions, the newest, is held out to test; of the rest, to choose by."""

INTERACTIONS_MIN = 20
"""With fewer, a tenth of nine tenths may be nothing."""

CHOOSE_INTERACTIONS_MAX = 2_000
"""Of the next slice's validation: enough to choose a half-life by, without making a training on
millions of events wait."""

RETRAININGS_MAX = 1_000
"""Of one run: each may take minutes."""

NEVER_MS = -(2**62)
"""Before every step."""


def refuse_few(data: Interactions, protocol: str) -> None:
    """Raises EvaluationError if the data are too few to be cut twice."""
    if len(data) < INTERACTIONS_MIN:
        raise EvaluationError(
            f"data: {len(data)} interactions; {protocol} needs {INTERACTIONS_MIN} at least: "
            "give more events"
        )


def newest_from(order_X: Ints) -> int:
    """Where in a time order the newest tenth begins."""
    return len(order_X) - len(order_X) // HELD_OUT_ONE_IN


def next_slice_plan(data: Interactions) -> Plan:
    """What the training positions hold is known, and each new step of a user is asked for once.

    Hyper-parameters are chosen on the newest tenth of what is known, or the newest part of that if
    it is much. The test may be empty.
    """
    order_X = data.in_time_order()
    new_X = np.array(
        [
            data.users[user].new_N[step]
            for user, step in zip(data.user_X.tolist(), data.step_X.tolist(), strict=True)
        ]
    )
    known_X = order_X[~new_X[order_X]]
    choose_from = max(newest_from(known_X), len(known_X) - CHOOSE_INTERACTIONS_MAX)
    cut = Cut(False, data)
    part = cut.part(known_X, len(known_X))
    return Plan(
        protocol="next-slice",
        data=data,
        validation=cut.split(known_X, choose_from, FRESH),
        tests={FRESH: cut.after(part, order_X[new_X[order_X]], FRESH)},
    )


class Cut:
    """Splits a timeline in two; `frozen` histories end where the fit does."""

    def __init__(self, frozen: bool, data: Interactions) -> None:
        self._frozen, self._data = frozen, data
        self._step_at_ms = [
            np.array([step.occurred_at_ms for step in user.steps], np.int64) for user in data.users
        ]

    def tests(
        self, order_X: Ints, fit_until: int, delays_s: Iterable[float], retrain_every: int = 0
    ) -> dict[float, Split]:
        """One split by delay, all with the very same fit part: what is fitted once serves all.

        With `retrain_every`, systems may be retrained, each time after that many targets.
        """
        part = self.part(order_X, fit_until)
        splits = {
            delay_s: self.after(part, order_X[fit_until:], delay_s)
            for delay_s in sorted({FRESH, *delays_s})
        }
        if not retrain_every:
            return splits
        due_R = np.arange(retrain_every, len(order_X) - fit_until, retrain_every)
        return {
            delay_s: replace(split, retrainings=tuple(self._retrainings(order_X, split, due_R)))
            for delay_s, split in splits.items()
        }

    def _retrainings(self, order_X: Ints, split: Split, due_R: Ints) -> Iterator[Retraining]:
        """At the first request behind each of `due_R` targets; what that request sees is known, so
        with a delay learning is late, too.
        """
        at_ms_X = self._data.at_ms_X[order_X]
        known = int(split.part.fit_X.sum())
        for before in np.searchsorted(split.first_targets()[:-1], due_R).tolist():
            if before == len(split.requests):
                return
            sees_until_ms = split.requests[before].sees_until_ms
            until = int(np.searchsorted(at_ms_X, sees_until_ms, side="right"))
            if until > known:
                known = until
                yield Retraining(before=before, part=partial(self.part, order_X, until))

    def split(self, order_X: Ints, fit_until: int, delay_s: float) -> Split:
        return self.after(self.part(order_X, fit_until), order_X[fit_until:], delay_s)

    def part(self, order_X: Ints, fit_until: int) -> FitPart:
        """A user's steps end at the first interaction that is not fitted on, or at the cut."""
        data = self._data
        fit_X = np.zeros(len(data), np.bool_)
        fit_X[order_X[:fit_until]] = True
        cut_ms = int(data.at_ms_X[order_X[fit_until - 1]]) if fit_until else NEVER_MS
        steps_U = np.array(
            [np.searchsorted(at_ms, cut_ms, side="right") for at_ms in self._step_at_ms], np.int64
        )
        hidden_X = np.flatnonzero(~fit_X)
        np.minimum.at(steps_U, data.user_X[hidden_X], data.step_X[hidden_X])
        return FitPart(data=data, fit_X=fit_X, steps_U=steps_U)

    def after(self, part: FitPart, target_X: Ints, delay_s: float) -> Split:
        """A request at every moment of the targets, which are in time order."""
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
