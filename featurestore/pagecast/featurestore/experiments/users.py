"""What came of an experiment, by user: the unit that was drawn, and that is compared.

From logged pages alone, by the clock that stamped them, so that a report can be made again:

- A user enters with the first page that names the experiment. What counts are the pages from there
  to `outcome_ms` later, whatever made them: also those that fell back.
- A user whose time is not over yet, or was not when the experiment stopped, is pending and not
  compared. So a user's figures do not change once they are in, users come in one by one, and the
  confidence sequences hold; and nobody's last hours weigh less.
- What a user did before the experiment's first page is the covariate: no arm has touched it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pagecast.featurestore.experiments.assignment import ARM_MODEL_NOT_LOADED, DAY_MS, Experiment
from pagecast.featurestore.experiments.comparison import Bools, Floats
from pagecast.featurestore.experiments.off_policy import was_drawn
from pagecast.featurestore.experiments.page_quality import QUALITIES, Indices, PageQuality
from pagecast.featurestore.logged_pages import WINDOW_MS, LoggedPageOutcome
from pagecast.featurestore.reward import RewardConfig
from pagecast.v1 import events_pb2

METRICS = ("page_reward", "clicks", "completed_plays")
"""Sums over a user's pages; the first one decides, the others explain."""

PAGES_OF_USER_MAX = 100
"""Pages of a user that count in each period: one who asks for pages all day long, or a program that
does, must not outweigh the rest."""

BEFORE_MS = 28 * DAY_MS
"""How long before the experiment the covariate begins: four whole weeks."""


@dataclass(kw_only=True)
class ArmPages:
    """Pages of an arm, as they were served; `entities` of each page in order."""

    versions: Counter[str] = field(default_factory=Counter)
    fell_back: int = 0
    drawn: int = 0
    entities: list[Indices] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, eq=False)
class ExperimentUsers:
    """U users in the order in which they entered; M METRICS, Q QUALITIES.

    `pending_U` are not compared yet. `quality_UQ` is NaN where no page has one. `device_U` and
    `country_U` are those of the first page, `known_U` is whether there was a page before the
    experiment.
    """

    arm_U: tuple[str, ...]
    pending_U: Bools
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


class _Page(NamedTuple):
    user_id: str
    at_ms: int
    metrics: tuple[float, ...]
    quality: tuple[float, ...] | None
    """None unless the page is the experiment's."""


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
    for page in logged:
        alias = _alias(experiment, page.arm)
        measured = None
        if alias is not None:
            began_ms = page.requested_at_ms if began_ms < 0 else began_ms
            measured = _take_up(page, alias, users, arms[alias], quality)
        pages.append(_Page(page.user_id, page.requested_at_ms, _metrics(page, rewards), measured))
        if alias is not None or experiment.stopped_at_ms is None:
            newest_ms = page.requested_at_ms
    if not users:
        return None
    for one in pages:
        if (user := users.get(one.user_id)) is not None:
            _count(one, user, began_ms, experiment.outcome_ms)
    return _columns(list(users.values()), dict(arms), experiment, (began_ms, newest_ms))


def _alias(experiment: Experiment, arm: str) -> str | None:
    name, _, alias = arm.partition("/")
    return alias if alias and name == experiment.name else None


def _metrics(page: LoggedPageOutcome, rewards: RewardConfig) -> tuple[float, ...]:
    return (
        sum(rewards.entity(entity) for entity in page.entities),
        float(sum(entity.clicked for entity in page.entities)),
        float(sum(entity.completed for entity in page.entities)),
    )


def _take_up(
    page: LoggedPageOutcome,
    alias: str,
    users: dict[str, _User],
    arm: ArmPages,
    quality: PageQuality,
) -> tuple[float, ...]:
    """Notes a page of the experiment, and its user if it is the first; returns its QUALITIES."""
    served = events_pb2.PageServed.FromString(page.value)
    if page.user_id not in users:
        users[page.user_id] = _User(
            arm=alias,
            entered_ms=page.requested_at_ms,
            device=served.context.device,
            country=served.context.country,
        )
    entity_E = quality.entities([e for row in served.rows for e in row.entity_ids])
    arm.versions[page.model_version] += 1
    arm.fell_back += ARM_MODEL_NOT_LOADED in served.degraded_reason.split(",")
    arm.drawn += was_drawn(served)
    arm.entities.append(entity_E)
    return quality.of(served, entity_E)


def _count(page: _Page, user: _User, began_ms: int, outcome_ms: int) -> None:
    if began_ms - BEFORE_MS <= page.at_ms < began_ms and user.pages_before < PAGES_OF_USER_MAX:
        user.pages_before += 1
        _add(user.before, page.metrics)
    inside = user.entered_ms <= page.at_ms <= user.entered_ms + outcome_ms
    if inside and user.pages_after < PAGES_OF_USER_MAX:
        user.pages_after += 1
        _add(user.outcome, page.metrics)
        if page.quality is not None:
            user.qualities.append(page.quality)


def _add(sums: list[float], values: Iterable[float]) -> None:
    for place, value in enumerate(values):
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
    moments: tuple[int, int],
) -> ExperimentUsers:
    began_ms, newest_ms = moments
    over_ms = experiment.outcome_ms + WINDOW_MS
    return ExperimentUsers(
        arm_U=tuple(user.arm for user in users),
        pending_U=np.array([user.entered_ms + over_ms > newest_ms for user in users]),
        outcome_UM=np.array([user.outcome for user in users]),
        before_UM=np.array([user.before for user in users]),
        quality_UQ=np.array([_mean(user.qualities) for user in users]),
        known_U=np.array([user.pages_before > 0 for user in users]),
        device_U=tuple(user.device for user in users),
        country_U=tuple(user.country for user in users),
        pages=arms,
        began_ms=began_ms,
        as_of_ms=newest_ms,
    )
