"""The report of an experiment: what each arm is worth beside the control, and how sure that is."""

from dataclasses import dataclass
from typing import Any

from pagecast.featurestore.experiments.arm_estimates import ArmEstimate
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparison import Comparison, Estimate
from pagecast.featurestore.experiments.page_quality import LESS_IS_BETTER
from pagecast.featurestore.experiments.sample_ratio import SampleRatio


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A treated arm beside the control, by one metric, on all users or one segment.

    `segment` is empty for all users, else `device=tv` and the like.
    """

    metric: str
    arm: str
    segment: str
    figures: Comparison

    @property
    def harmed(self) -> bool:
        """Whether the arm is surely worse than the control: for a guardrail, a reason to stop."""
        interval = self.figures.difference.interval
        if interval is None:
            return False
        return interval.low > 0 if self.metric in LESS_IS_BETTER else interval.high < 0

    def to_json(self) -> dict[str, Any]:
        found = self.figures
        return {
            "metric": self.metric,
            "arm": self.arm,
            "segment": self.segment,
            "control_users": found.control_users,
            "treated_users": found.treated_users,
            "control_mean": found.control_mean,
            "treated_mean": found.treated_mean,
            "difference": _estimate(found.difference),
            "lift": None if found.lift is None else _estimate(found.lift),
            "variance_kept": found.variance_kept,
        }


@dataclass(frozen=True, kw_only=True)
class ArmReport:
    """An arm as it was served. `version_now` is empty if its alias points nowhere.

    Users who are `pending` are not compared yet; for those who are `capped` a metric was cut.
    `versions` counts the pages by the arm's own model, "" for popularity; the champion made those
    that `fell_back`. `drawn` pages were drawn at random, not made of the best tokens. `coverage` is
    the share of the catalog on the first `coverage_pages` pages, as many for each arm.
    """

    alias: str
    share: float
    users: int
    pending: int
    capped: int
    pages: int
    fell_back: int
    drawn: int
    versions: dict[str, int]
    version_now: str
    coverage: float
    coverage_pages: int

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Step:
    """The first metric's difference as it stood when `users` had come in."""

    arm: str
    users: int
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class ExperimentReport:
    """`began_ms` and `as_of_ms` are by the clock of the pages, None without any.

    `off_policy` is empty until `pagecast.server.experiments.arm_estimates` has looked.
    """

    experiment: Experiment
    began_ms: int | None
    as_of_ms: int | None
    arms: tuple[ArmReport, ...]
    sample_ratio: SampleRatio | None
    metrics: tuple[Compared, ...]
    guardrails: tuple[Compared, ...]
    segments: tuple[Compared, ...]
    path: tuple[Step, ...]
    warnings: tuple[str, ...]
    off_policy: tuple[ArmEstimate, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `pagecast experiments report --json` prints."""
        return {
            **experiment_json(self.experiment),
            "began_ms": self.began_ms,
            "as_of_ms": self.as_of_ms,
            "arms": [arm.to_json() for arm in self.arms],
            "sample_ratio": _sample_ratio(self.sample_ratio),
            "metrics": [one.to_json() for one in self.metrics],
            "guardrails": [{**one.to_json(), "harmed": one.harmed} for one in self.guardrails],
            "segments": [one.to_json() for one in self.segments],
            "path": [
                {"arm": step.arm, "users": step.users, "difference": _estimate(step.difference)}
                for step in self.path
            ],
            "off_policy": [one.to_json() for one in self.off_policy],
            "warnings": list(self.warnings),
        }


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """All but the salt, which would tell everybody who is in which arm."""
    return {
        "name": experiment.name,
        "shares": {arm.alias: arm.share for arm in experiment.arms},
        "control": experiment.control,
        "outcome_ms": experiment.outcome_ms,
        "started_at_ms": experiment.started_at_ms,
        "stopped_at_ms": experiment.stopped_at_ms,
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    interval = estimate.interval
    return {
        "value": estimate.value,
        "interval": None if interval is None else [interval.low, interval.high],
    }


def _sample_ratio(found: SampleRatio | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "users": list(found.users),
        "planned": list(found.planned),
        "evidence": found.evidence,
        "alarm": found.alarm,
    }
