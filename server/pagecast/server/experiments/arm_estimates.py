"""The report of an experiment, with off-policy estimates where an arm's pages were drawn.

Control and treated arms are asked about each other, as the report compares them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sa

from pagecast.engine.bundles.served_model import load_served
from pagecast.engine.errors import EngineError
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.arm_estimates import ArmEstimate, newest_drawn
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.off_policy import GREEDY, NoEstimate, estimate_off_policy
from pagecast.featurestore.experiments.report import ArmReport, ExperimentReport
from pagecast.featurestore.experiments.reporting import report_experiment
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.models.records import ModelUnknown
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.server.experiments.off_policy import LogOfPages, Target, drawn_pages
from pagecast.server.experiments.recorded_page import NotReplayable


@dataclass(frozen=True, kw_only=True)
class ReportSource:
    """What a report is made of; `fold` is as ingest was told, `rewards` as training was."""

    engine: sa.Engine
    log: OfflineLog
    bundles: Path
    fold: FoldConfig
    rewards: RewardConfig

    @classmethod
    def of(
        cls, engine: sa.Engine, paths: StatePaths, fold: FoldConfig, rewards: RewardConfig
    ) -> "ReportSource":
        """The source for a state directory and its database."""
        return cls(
            engine=engine,
            log=OfflineLog(paths.offline),
            bundles=paths.bundles,
            fold=fold,
            rewards=rewards,
        )


def report_with_estimates(
    source: ReportSource,
    name: str,
    *,
    off_policy_pages: int,
    told: Callable[[float], None] = lambda _: None,
) -> ExperimentReport:
    """The newest `off_policy_pages` drawn pages of an arm are decoded again under each target.

    0 decodes none, and the report says how many could be. After each page `told` gets the share
    that is done; what it raises ends the report. Raises what `report_experiment` raises.
    """
    report = report_experiment(source.engine, source.log, name, rewards=source.rewards)
    asked = list(_asked(source, report, off_policy_pages))
    followed, total = 0, sum(len(pages) for _, pages in asked)

    def one_more() -> None:
        nonlocal followed
        followed += 1
        told(followed / total)

    return replace(
        report,
        off_policy=tuple(
            _estimated(source, one, pages, one_more) if pages else one for one, pages in asked
        ),
    )


def _asked(
    source: ReportSource, report: ExperimentReport, pages_max: int
) -> Iterator[tuple[ArmEstimate, Sequence[LoggedPageOutcome]]]:
    """Estimates, each with the pages to follow, or with none where its `why_not` says why."""
    experiment, arms = report.experiment, {arm.alias: arm for arm in report.arms}
    labels = {experiment.label(arm.alias) for arm in report.arms if arm.drawn}
    drawn: Mapping[str, list[LoggedPageOutcome]] = {}
    if labels and pages_max:
        drawn = newest_drawn(logged_pages(source.log), labels, pages_max)
    for arm in report.arms:
        if not arm.drawn:
            why_not = f"none of its pages was drawn: {GREEDY}"
            yield ArmEstimate(drawn_by=arm.alias, why_not=why_not), ()
            continue
        pages = drawn.get(experiment.label(arm.alias), [])
        for target in _asked_about(experiment, arm.alias):
            version = _version(arms[target])
            why_not = _why_not(arm, target, version, pages, pages_max)
            one = ArmEstimate(
                drawn_by=arm.alias, target=target, target_version=version, why_not=why_not
            )
            yield one, () if why_not else pages


def _asked_about(experiment: Experiment, alias: str) -> tuple[str, ...]:
    return experiment.treatments if alias == experiment.control else (experiment.control,)


def _version(arm: ArmReport) -> str:
    """The arm's model: one that has served, not one its alias was moved to afterwards.

    Promoting a treated arm's model moves the control's alias to it. Versions are in the order in
    which they first served. Empty if the arm served none and its alias points nowhere.
    """
    served = [version for version in arm.versions if version]
    return arm.version_now if arm.version_now in served or not served else served[-1]


def _why_not(
    arm: ArmReport,
    target: str,
    version: str,
    pages: Sequence[LoggedPageOutcome],
    pages_max: int,
) -> str:
    """Why the arm's pages cannot be followed; empty if they can."""
    if not pages_max:
        return f"not asked for: {arm.drawn} of its pages were drawn"
    if not version:
        return f"the arm {target} has served no model's page, and its alias points to no model"
    if not pages:
        return f"the half hour of its drawn pages ({arm.drawn}) is not over yet"
    return ""


def _estimated(
    source: ReportSource,
    asked: ArmEstimate,
    pages: Sequence[LoggedPageOutcome],
    told: Callable[[], None],
) -> ArmEstimate:
    log = LogOfPages(log=source.log, catalog=Catalog(source.engine), fold=source.fold)
    try:
        record = Registry(source.engine).get(asked.target_version)
        target = Target(bundle=load_served(source.bundles / record.bundle), temperature=None)
        found = estimate_off_policy(drawn_pages(log, pages, target, source.rewards, told=told))
    except (ModelUnknown, NoEstimate, NotReplayable, EngineError) as error:
        return replace(asked, why_not=str(error))
    return replace(asked, found=found)
