"""What a system is asked, and what it may know before it is asked.

Letters: X interactions, U users, H the history of a request.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.interactions import Interactions, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class FitPart:
    """What a system is fitted on: the interactions in `fit_X`, the first `steps_U` of the steps."""

    data: Interactions
    fit_X: npt.NDArray[np.bool_]
    steps_U: Ints

    def interactions(self) -> Ints:
        """The interactions to fit on, by (user, time, log)."""
        return np.flatnonzero(self.fit_X)


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """A moment at which a user's next interactions are predicted.

    `history_H` are the entities visible then, oldest first: those of the user's first `visible`
    steps. `step` is the step whose request-time half the request has. Nothing that happened after
    `sees_until_ms` is visible, of any user. `targets` are interactions of that moment.
    """

    user: int
    at_ms: int
    step: int
    visible: int
    history_H: Ints
    sees_until_ms: int
    targets: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Requests after a fit. `revealed_X`, in time order, happens while they are answered."""

    part: FitPart
    requests: tuple[Request, ...]
    revealed_X: Ints

    def targets(self) -> Ints:
        """The targets of all requests, in their order: the T of whatever is told of targets."""
        return np.array([x for request in self.requests for x in request.targets], np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A protocol applied to data: where to choose, and where to test.

    `tests` are by staleness in seconds; every protocol has 0, which is fresh.
    """

    protocol: str
    validation: Split
    tests: dict[float, Split]

    @property
    def test(self) -> Split:
        return self.tests[FRESH]


FRESH = 0.0
"""Staleness of a request that sees everything strictly earlier."""
