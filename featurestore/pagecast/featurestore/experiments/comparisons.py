"""What a report compares: each treated arm with the control, by metric, guardrail and segment.

Letters: U users in the order in which they entered.
"""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparison import Bools, Floats, compare
from pagecast.featurestore.experiments.metrics import METRICS
from pagecast.featurestore.experiments.page_quality import QUALITIES
from pagecast.featurestore.experiments.report import Compared, Step
from pagecast.featurestore.experiments.sequence import SequenceConfig
from pagecast.featurestore.experiments.users import ExperimentUsers

SEGMENT_VALUES_MAX = 8
"""Segments of a dimension, those with the most users; more would be noise, and a long page."""

PATH_STEPS_MAX = 24
"""Points in the plot of how the difference developed."""


class Comparisons:
    """Comparisons of the users whose time is over."""

    def __init__(
        self, experiment: Experiment, users: ExperimentUsers, config: SequenceConfig
    ) -> None:
        self._experiment = experiment
        self._users = users
        self._config = config
        self._over_U = ~users.pending_U

    def metrics(self) -> Iterator[Compared]:
        for number in range(len(METRICS)):
            yield from self._metric(number, self._over_U)

    def guardrails(self) -> Iterator[Compared]:
        for number, name in enumerate(QUALITIES):
            quality_U = self._users.quality_UQ[:, number]
            yield from self._compared(name, quality_U, None, self._over_U & ~np.isnan(quality_U))

    def segments(self) -> Iterator[Compared]:
        """Every metric, in the largest segments of each dimension."""
        known_U = tuple("yes" if known else "no" for known in self._users.known_U)
        for dimension, value_U in (
            ("device", self._users.device_U),
            ("country", self._users.country_U),
            ("known_before", known_U),
        ):
            for value, _ in Counter(value_U).most_common(SEGMENT_VALUES_MAX):
                among_U = self._over_U & np.array([one == value for one in value_U])
                for number in range(len(METRICS)):
                    yield from self._metric(number, among_U, f"{dimension}={value}")

    def path(self) -> Iterator[Step]:
        """As users came in: the first metric's difference at a few counts of them."""
        came = np.flatnonzero(self._over_U)
        for count in np.unique(np.linspace(0, len(came), PATH_STEPS_MAX + 1).round())[1:]:
            among_U = np.zeros(len(self._over_U), bool)
            among_U[came[: int(count)]] = True
            for one in self._metric(0, among_U):
                yield Step(arm=one.arm, users=int(count), difference=one.figures.difference)

    def _metric(self, number: int, among_U: Bools, segment: str = "") -> Iterator[Compared]:
        """The covariates: the same metric before, and whether the user was known before."""
        users = self._users
        before_UC = np.column_stack([users.before_UM[:, number], users.known_U])
        outcome_U = users.outcome_UM[:, number]
        yield from self._compared(METRICS[number], outcome_U, before_UC, among_U, segment)

    def _compared(
        self,
        metric: str,
        outcome_U: Floats,
        before_UC: Floats | None,
        among_U: Bools,
        segment: str = "",
    ) -> Iterator[Compared]:
        """Yields nothing where an arm has no user."""
        control_U = self._users.of_arm(self._experiment.control)
        for arm in self._experiment.treatments:
            treated_U = self._users.of_arm(arm)
            in_U = among_U & (control_U | treated_U)
            if not (in_U & control_U).any() or not (in_U & treated_U).any():
                continue
            before = None if before_UC is None else before_UC[in_U]
            figures = compare(outcome_U[in_U], treated_U[in_U], before, self._config)
            yield Compared(metric=metric, arm=arm, segment=segment, figures=figures)
