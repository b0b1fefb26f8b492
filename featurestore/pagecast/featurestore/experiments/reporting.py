"""Makes an experiment's report from the offline log, the catalog and the registry."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import sqlalchemy as sa

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.arm_pages import ArmPages
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparisons import Comparisons
from pagecast.featurestore.experiments.page_quality import PageQuality
from pagecast.featurestore.experiments.report import ArmReport, Compared, ExperimentReport
from pagecast.featurestore.experiments.sample_ratio import SampleRatio, sample_ratio
from pagecast.featurestore.experiments.sequence import ORDINARY, SequenceConfig
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.experiments.users import ExperimentUsers, experiment_users
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import logged_pages
from pagecast.featurestore.pages.reward import RewardConfig

ORDINARY_REWARDS = RewardConfig()
"""What outcomes are worth unless told otherwise."""


def report_experiment(
    engine: sa.Engine,
    log: OfflineLog,
    name: str,
    *,
    config: SequenceConfig = ORDINARY,
    rewards: RewardConfig = ORDINARY_REWARDS,
) -> ExperimentReport:
    """Reads every logged page. Raises ExperimentUnknown, and what log and database raise."""
    experiment = Experiments(engine).get(name)
    quality = PageQuality(Catalog(engine).snapshot())
    registry = Registry(engine)
    models = {arm.alias: registry.resolve(arm.alias) for arm in experiment.arms}
    versions = {alias: "" if model is None else model.version for alias, model in models.items()}
    users = experiment_users(logged_pages(log), experiment, quality, rewards)
    return report_of(experiment, users, versions, quality.offered, config)


def report_of(
    experiment: Experiment,
    users: ExperimentUsers | None,
    versions: dict[str, str],
    offered: int,
    config: SequenceConfig = ORDINARY,
) -> ExperimentReport:
    """`versions` says where the aliases point now, "" for nowhere; `offered` is the catalog's size.

    For one metric, the intervals of all treated arms hold together; across metrics, guardrails and
    segments each holds by itself.
    """
    shared = config.shared_by(len(experiment.treatments))
    arms = tuple(_arms(experiment, users, versions, offered))
    ratio = None if users is None else _ratio(experiment, users)
    asking = None if users is None else Comparisons(experiment, users, shared)
    metrics = () if asking is None else tuple(asking.metrics())
    guardrails = () if asking is None else tuple(asking.guardrails())
    return ExperimentReport(
        experiment=experiment,
        began_ms=None if users is None else users.began_ms,
        as_of_ms=None if users is None else users.as_of_ms,
        arms=arms,
        sample_ratio=ratio,
        metrics=metrics,
        guardrails=guardrails,
        segments=() if asking is None else tuple(asking.segments()),
        path=() if asking is None else tuple(asking.path()),
        warnings=tuple(_warnings(experiment, arms, ratio, guardrails, metrics)),
    )


def _ratio(experiment: Experiment, users: ExperimentUsers) -> SampleRatio:
    counts = Counter(users.arm_U)
    return sample_ratio(
        [counts[arm.alias] for arm in experiment.arms], [arm.share for arm in experiment.arms]
    )


def _arms(
    experiment: Experiment,
    users: ExperimentUsers | None,
    versions: dict[str, str],
    offered: int,
) -> Iterator[ArmReport]:
    pages = {
        arm.alias: (users.pages.get(arm.alias) if users else None) or ArmPages()
        for arm in experiment.arms
    }
    alike = min(len(arm.entities) for arm in pages.values())
    for arm in experiment.arms:
        served = pages[arm.alias]
        of_arm_U = users.of_arm(arm.alias) if users else np.zeros(0, bool)
        placed = {int(e) for entity_E in served.entities[:alike] for e in entity_E}
        yield ArmReport(
            alias=arm.alias,
            share=arm.share,
            users=int(of_arm_U.sum()),
            pending=int((of_arm_U & users.pending_U).sum()) if users else 0,
            capped=int((of_arm_U & ~users.pending_U & users.capped_U).sum()) if users else 0,
            pages=len(served.entities),
            fell_back=served.fell_back,
            drawn=served.drawn,
            versions=dict(served.versions),
            version_now=versions.get(arm.alias, ""),
            coverage=len(placed) / max(offered, 1),
            coverage_pages=alike,
        )


def _warnings(
    experiment: Experiment,
    arms: Sequence[ArmReport],
    ratio: SampleRatio | None,
    guardrails: Sequence[Compared],
    metrics: Sequence[Compared],
) -> Iterator[str]:
    if ratio is None:
        yield "no page of this experiment is in the offline log yet"
    elif ratio.alarm:
        yield (
            f"sample ratio mismatch: {list(ratio.users)} users do not fit the shares "
            f"{[round(share, 4) for share in ratio.planned]}; believe no figure below before it is "
            "known why"
        )
    for arm in arms:
        # Promotion takes the challenger's alias away: the ordinary end of an experiment.
        if not arm.version_now and experiment.stopped_at_ms is None:
            yield f"arm {arm.alias}: its alias points to no model; its users get the champion"
        yield from _not_by_its_model(arm)
    for one in guardrails:
        if one.harmed:
            yield f"guardrail: {one.metric} of {one.arm} is surely worse than the control's"
    if ratio is not None and not any(one.figures.difference.interval for one in metrics):
        yield "too few users whose time is over: there are no intervals yet"


def _not_by_its_model(arm: ArmReport) -> Iterator[str]:
    """Warns of pages that were not made by the one model the arm is there for."""
    for pages, how in (
        (arm.fell_back, "fell back to the champion"),
        (arm.versions.get("", 0), "were made by popularity, in whole or in part"),
    ):
        if pages:
            yield (
                f"arm {arm.alias}: {pages} of {arm.pages} pages {how}, and count for the arm all "
                "the same"
            )
    own = {version: pages for version, pages in arm.versions.items() if version}
    if len(own) > 1:
        told = ", ".join(f"{version} ({pages} pages)" for version, pages in own.items())
        yield f"arm {arm.alias}: its alias was moved meanwhile: {told}"
