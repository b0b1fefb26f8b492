"""What came of an experiment, by user: the unit that is drawn and compared.

Made from logged pages alone, by the clock that stamped them, so that a report can be repeated:

- A user enters with the first page that names the experiment. The pages from then to `outcome_ms`
  later count, whatever made them: also those that fell back. A page is one however many records it
  has; what each record placed counts by its own moment.
- A user whose time is not over yet, or was not when the experiment stopped, is pending and not
  compared. So a user's figures no longer change once they are in, users come in one by one, the
  confidence sequences hold, and nobody's last hours weigh less. An experiment's last page is the
  last that began: pages that are carried on name the arm for hours after the stop.
- The covariate is what a user did on pages whose window was over before the experiment's first
  page: no arm has touched it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pagecast.featurestore.experiments.arm_pages import (
    ArmPages,
    Records,
    by_page,
    entities_of,
    records_of,
)
from pagecast.featurestore.experiments.assignment import DAY_MS, Experiment
from pagecast.featurestore.experiments.comparison import Bools, Floats
from pagecast.featurestore.experiments.metrics import METRICS, bounds_of, metrics_of, pages_max
from pagecast.featurestore.experiments.page_quality import QUALITIES, PageQuality
from pagecast.featurestore.pages.logged_pages import WINDOW_MS, LoggedPageOutcome
from pagecast.featurestore.pages.reward import RewardConfig

BEFORE_MS = 28 * DAY_MS
"""How long before the experiment the covariate begins: four whole weeks."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentUsers:
    """U users in the order in which they entered; M METRICS, Q QUALITIES.

    `pending_U` are not compared yet; for `capped_U` an outcome was cut at its bound. `quality_UQ`
    is NaN where no page has one. `device_U` and `country_U` are those of the first page, `known_U`
    is whether there was a page before the experiment whose window was over.
    """

    arm_U: tuple[str, ...]
    pending_U: Bools
    capped_U: Bools
    outcome_UM: Floats
    before_UM: Floats
    quality_UQ: Floats
    known_U: Bools
    device_U: tuple[str, ...]
    country_U: tuple[str, ...]
    pages: dict[str, ArmPages]
    began_ms: int
    as_of_ms: int

    def of_arm(self, alias: str) -> Bools:
        return np.array([arm == alias for arm in self.arm_U], bool)


class _Part(NamedTuple):
    """What came of the entities that one record of a page placed."""

    at_ms: int
    metrics: tuple[float, ...]


class _Page(NamedTuple):
    user_id: str
    parts: tuple[_Part, ...]
    quality: tuple[float, ...] | None
    """None unless the page is the experiment's, and its beginning is logged."""


@dataclass(kw_only=True, slots=True)
class _User:
    arm: str
    entered_ms: int
    device: str
    country: str
    outcome: list[float] = field(default_factory=lambda: [0.0] * len(METRICS))
    before: list[float] = field(default_factory=lambda: [0.0] * len(METRICS))
    qualities: list[tuple[float, ...]] = field(default_factory=list)
    pages_after: int = 0
    pages_before: int = 0


def experiment_users(
    logged: Iterable[LoggedPageOutcome],
    experiment: Experiment,
    quality: PageQuality,
    rewards: RewardConfig,
) -> ExperimentUsers | None:
    """Reads logged pages, which come in the order of time; None if none is the experiment's."""
    pages, users = list[_Page](), dict[str, _User]()
    arms: dict[str, ArmPages] = defaultdict(ArmPages)
    began_ms = newest_ms = -1
    for records in by_page(logged):
        head, measured = records[0], None
        alias = _alias(experiment, head.arm)
        if alias is not None and (served := records_of(records)):
            began_ms = head.requested_at_ms if began_ms < 0 else began_ms
            measured = _take_up(served, alias, users, arms[alias], quality)
        parts = tuple(
            _Part(one.requested_at_ms, metrics_of(one.entities, rewards)) for one in records
        )
        pages.append(_Page(head.user_id, parts, measured))
        if measured is not None or experiment.stopped_at_ms is None:
            newest_ms = head.requested_at_ms
    if not users:
        return None
    for one in pages:
        if (user := users.get(one.user_id)) is not None:
            _count(one, user, began_ms, experiment.outcome_ms)
    return _columns(list(users.values()), dict(arms), experiment, rewards, (began_ms, newest_ms))


def _alias(experiment: Experiment, arm: str) -> str | None:
    name, _, alias = arm.partition("/")
    return alias if alias and name == experiment.name else None


def _take_up(
    page: Records,
    alias: str,
    users: dict[str, _User],
    arm: ArmPages,
    quality: PageQuality,
) -> tuple[float, ...]:
    """Notes a page of the experiment, and its user if it is the first; returns its QUALITIES."""
    beginning = page[0]
    if beginning.user_id not in users:
        users[beginning.user_id] = _User(
            arm=alias,
            entered_ms=beginning.requested_at.ToMilliseconds(),
            device=beginning.context.device,
            country=beginning.context.country,
        )
    entity_E = quality.entities(entities_of(page))
    arm.add(page, entity_E)
    return quality.of(beginning, entity_E)


def _count(page: _Page, user: _User, began_ms: int, outcome_ms: int) -> None:
    earliest_ms, latest_ms = began_ms - BEFORE_MS, began_ms - WINDOW_MS
    before = [one for one in page.parts if earliest_ms <= one.at_ms < latest_ms]
    if before and user.pages_before < pages_max(BEFORE_MS):
        user.pages_before += 1
        _add(user.before, before)
    over_ms = user.entered_ms + outcome_ms
    after = [one for one in page.parts if user.entered_ms <= one.at_ms <= over_ms]
    if after and user.pages_after < pages_max(outcome_ms):
        user.pages_after += 1
        _add(user.outcome, after)
        if page.quality is not None:
            user.qualities.append(page.quality)


def _add(sums: list[float], parts: Iterable[_Part]) -> None:
    for part in parts:
        for place, value in enumerate(part.metrics):
            sums[place] += value


def _mean(of_pages: list[tuple[float, ...]]) -> Floats:
    """Of the pages that have one; NaN where none has. Shape (Q,)."""
    value_PQ = np.array(of_pages)
    count_Q = (~np.isnan(value_PQ)).sum(0)
    mean_Q: Floats = np.full(len(QUALITIES), np.nan)
    np.divide(np.nansum(value_PQ, 0), count_Q, out=mean_Q, where=count_Q > 0)
    return mean_Q


def _columns(
    users: list[_User],
    arms: dict[str, ArmPages],
    experiment: Experiment,
    rewards: RewardConfig,
    moments: tuple[int, int],
) -> ExperimentUsers:
    began_ms, newest_ms = moments
    over_ms = experiment.outcome_ms + WINDOW_MS
    bound_M = bounds_of(experiment.outcome_ms, rewards)
    bound_before_M = bounds_of(BEFORE_MS, rewards)
    outcome_UM = np.array([user.outcome for user in users])
    before_UM = np.array([user.before for user in users])
    return ExperimentUsers(
        arm_U=tuple(user.arm for user in users),
        pending_U=np.array([user.entered_ms + over_ms > newest_ms for user in users]),
        capped_U=(np.abs(outcome_UM) > bound_M).any(1),
        outcome_UM=np.clip(outcome_UM, -bound_M, bound_M),
        before_UM=np.clip(before_UM, -bound_before_M, bound_before_M),
        quality_UQ=np.array([_mean(user.qualities) for user in users]),
        known_U=np.array([user.pages_before > 0 for user in users]),
        device_U=tuple(user.device for user in users),
        country_U=tuple(user.country for user in users),
        pages=arms,
        began_ms=began_ms,
        as_of_ms=newest_ms,
    )
