"""A user's log becomes steps, and the places in it where a request could have stood.

As-of is a log position: the prompt of a request is the fold of what the log held then. The fold
runs once; a place where a later event changed what lies before it (a late insert, a merge) is no
longer what a server saw, and is marked so.

Letters: N steps of a user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.history.fold import DEFAULT_FOLD, Effect, FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History, Profile, Step, Total
from pagecast.featurestore.history.tokens import Token, step_of
from pagecast.featurestore.offline import LoggedEvent

Positions = Mapping[tuple[str, int], int]
"""Next offset by (topic id, partition): everything before it is inside."""


class LeftBehind(NamedTuple):
    """What the steps that had left a window added up to, by entity and by row."""

    entities: Mapping[str, Total] = {}
    rows: Mapping[str, Total] = {}


@dataclass(frozen=True, kw_only=True)
class UserSteps:
    """All steps of a user, also those that have left the window.

    `first_N[i]` is the oldest step still in the window when step i began. `cut_N[i]` says that a
    request at the time of step i saw exactly `steps[first_N[i]:i]`, all strictly earlier.
    `new_N[i]` says that step i began after the training positions. `left_behind` is by the oldest
    step still in the window.
    """

    user_id: str
    profile: Profile
    steps: tuple[Step, ...]
    first_N: npt.NDArray[np.int64]
    cut_N: npt.NDArray[np.bool_]
    new_N: npt.NDArray[np.bool_]
    left_behind: Mapping[int, LeftBehind] = field(default_factory=dict)


def replay(
    user_id: str,
    events: Sequence[LoggedEvent],
    *,
    profile: Profile = Profile(),  # noqa: B008 (frozen)
    known: Positions | None = None,
    fold: FoldConfig = DEFAULT_FOLD,
) -> UserSteps:
    """Folds a user's events, in log order. `known` ends what training may know; None: all of it.

    Raises LogChanged if the events come from more than one log.
    """
    history = History(user_id)
    trace = _Trace()
    for topic_id, partition, offset, token, _ in events:
        begin(history, topic_id, partition)
        dropped_before = history.steps_dropped
        effect = apply_token(history, token, offset, fold)
        if effect is not None and effect.position >= 0:
            new = known is not None and offset >= known.get((topic_id, partition), 0)
            trace.follow(history, token, effect, dropped_before, new)
    return UserSteps(
        user_id=user_id,
        profile=profile,
        steps=tuple(trace.steps),
        first_N=np.array(trace.first, np.int64),
        cut_N=trace.cuts(),
        new_N=np.array(trace.new, np.bool_),
        left_behind=trace.left_behind,
    )


class _Trace:
    """The lists of `UserSteps` as they grow, and when each step was made and last changed."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.first: list[int] = []
        self.new: list[bool] = []
        self.made: list[int] = []
        self.changed: list[int] = []
        self.clock = 0
        self.left_behind: dict[int, LeftBehind] = {}

    def follow(
        self, history: History, token: Token, effect: Effect, dropped_before: int, new: bool
    ) -> None:
        self.clock += 1
        position = dropped_before + effect.position
        if effect.inserted:
            late = position < len(self.steps)
            self.steps.insert(position, step_of(token))
            self.first.insert(position, dropped_before)
            self.new.insert(position, new)
            self.made.insert(position, -1 if late else self.clock)
            self.changed.insert(position, self.clock)
        else:
            self.steps[position] = history.steps[effect.position]
            self.changed[position] = self.clock
        if effect.evicted:
            left = LeftBehind(dict(history.entity_totals), dict(history.row_totals))
            self.left_behind[history.steps_dropped] = left

    def cuts(self) -> npt.NDArray[np.bool_]:
        """A step that was inserted late (made -1) is never where a request stood."""
        at_ms_N = np.array([s.occurred_at_ms for s in self.steps], np.int64)
        made_N, changed_N = np.array(self.made, np.int64), np.array(self.changed, np.int64)
        cut_N = made_N >= 0
        cut_N[1:] &= np.maximum.accumulate(changed_N)[:-1] < made_N[1:]
        cut_N[1:] &= at_ms_N[:-1] < at_ms_N[1:]
        return cut_N
