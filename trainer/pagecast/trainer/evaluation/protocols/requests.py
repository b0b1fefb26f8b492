"""What a system is asked, and what it may know before it is asked.

Letters: X interactions, U users, H the history of a request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.protocols.interactions import Interactions, Ints

REFERENCE = "ease-recency"
"""The baseline every system is compared with, where a protocol has no other: the strongest one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FitPart:
    """What a system is fitted on: the interactions in `fit_X`, the first `steps_U` of the steps.

    Neither has anything of the entities `held_out`, and a model's training does not find them in
    the catalog either: they are launched after the fit.
    """

    data: Interactions
    fit_X: npt.NDArray[np.bool_]
    steps_U: Ints
    held_out: frozenset[int] = frozenset()

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
class Retraining:
    """Before the request of this number, all that it may see can be learned, too.

    `part` makes what is known then; it is as large as the data, so none is kept.
    """

    before: int
    part: Callable[[], FitPart]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Requests after a fit. `revealed_X`, in time order, happens while they are answered.

    With `among_N`, targets are ranked among these entities alone. `retrainings` are in the order of
    the requests.
    """

    part: FitPart
    requests: tuple[Request, ...]
    revealed_X: Ints
    among_N: npt.NDArray[np.bool_] | None = None
    retrainings: tuple[Retraining, ...] = ()

    def targets(self) -> Ints:
        """The targets of all requests, in their order: the T of all that is told of targets."""
        return np.array([x for request in self.requests for x in request.targets], np.int64)

    def first_targets(self) -> Ints:
        """`first_Q`, with one more at the end: where each request's targets begin."""
        return np.cumsum([0, *(len(request.targets) for request in self.requests)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A protocol applied to data: where to choose, and where to test.

    `tests` are by staleness in seconds; every protocol has 0, which is fresh. `beside` are other
    questions to the same fitted systems, by name. A validation without requests chooses nothing.
    `data` is all there is, which the report counts and whose digest names the split.
    `reference` is what the other systems are compared with. Systems that can be are retrained in
    the test after every `retrain_every` targets, never if it is 0.
    """

    protocol: str
    data: Interactions
    validation: Split
    tests: dict[float, Split]
    beside: Mapping[str, Split] = field(default_factory=dict)
    reference: str = REFERENCE
    retrain_every: int = 0

    @property
    def test(self) -> Split:
        return self.tests[FRESH]


FRESH = 0.0
"""Staleness of a request that sees everything strictly earlier."""
