"""How far a training is: by steps, unless its time would run out first."""

import math
import time
from collections.abc import Callable

STEPS_BEFORE_PLANNING = 20
"""The first steps are slower (allocation, threads): planning on them would end too early."""


class Schedule:
    """Counts steps, measures time, and gives the learning rate's share of its peak.

    As long as the budget suffices for `steps_max`, time has no influence on the learning rate.
    Processes that train together share a `clock`, or each would have a rate of its own.

    The last `post_share` of the run is post-training, with a warm-up and a descent of its own. Once
    begun (`post`), it goes on, whatever time does to the plan.
    """

    def __init__(
        self,
        *,
        steps_max: int,
        budget_s: float,
        warm_up: float,
        post_share: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step = 0
        self.post = False
        self._pretraining = 1.0 - post_share
        self._steps_max, self._budget_s, self._warm_up = steps_max, budget_s, warm_up
        self._clock, self._began = clock, clock()

    def resume(self, *, step: int, seconds: float, post: bool = False) -> None:
        """Goes on after `step` steps that took `seconds`; a pause between costs no budget."""
        self.step, self._began, self.post = step, self._clock() - seconds, post

    @property
    def post_due(self) -> bool:
        """Whether the next step is the first of post-training."""
        return not self.post and self.share >= self._pretraining and self._pretraining < 1.0

    @property
    def seconds(self) -> float:
        return self._clock() - self._began

    @property
    def done(self) -> bool:
        return self.step >= self._steps_max or self.seconds >= self._budget_s

    @property
    def share(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return min(1.0, self.step / self._planned_steps())

    @property
    def eta_s(self) -> float:
        if not self.step:
            return self._budget_s
        left = (self._planned_steps() - self.step) * self.seconds / self.step
        return max(0.0, min(left, self._budget_s - self.seconds))

    def rate(self) -> float:
        """The next step's share of the peak: linear warm-up, then a cosine to zero, in its part."""
        share = (self.step + 1) / self._planned_steps()
        if self.post:
            share = max(0.0, share - self._pretraining) / (1.0 - self._pretraining)
        else:
            share /= self._pretraining
        share = min(1.0, share)
        if share < self._warm_up:
            return share / self._warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (share - self._warm_up) / (1.0 - self._warm_up))

    def _planned_steps(self) -> float:
        if self.step < STEPS_BEFORE_PLANNING:
            return self._steps_max
        affordable = self.step * self._budget_s / self.seconds
        return min(float(self._steps_max), max(affordable, float(self.step)))
