"""`pagecast experiments estimate`: off-policy estimates from the pages of an arm that drew."""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.experiments.command import opened
from pagecast.cli.output import Output
from pagecast.engine.bundles.served_model import ServedBundle, load_served
from pagecast.engine.errors import BundleError, EngineError
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.arm_estimates import newest_drawn, off_policy_json
from pagecast.featurestore.experiments.off_policy import (
    GREEDY,
    NoEstimate,
    OffPolicyReport,
    estimate_off_policy,
)
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.models.records import ModelUnknown
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.server.experiments.off_policy import LogOfPages, Target, drawn_pages
from pagecast.server.experiments.recorded_page import NotReplayable


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command's options."""

    name: str
    drawn_by: str
    target: str
    temperature: float
    top_p: float
    pages_max: int
    dreams: int


def tell_estimate(
    asked: Asked, *, state_dir: Path | None, database_url: str | None, as_json: bool
) -> None:
    """Raises InputError for options that make no sense, CommandError if there is no estimate."""
    output = Output(as_json=as_json)
    with opened(state_dir, database_url) as house:
        label = _label(house.engine, asked)
        version, bundle = _bundle(house.engine, house.paths, asked.target)
        target = _target(bundle, asked)
        log = OfflineLog(house.paths.offline)
        pages = newest_drawn(logged_pages(log), {label}, asked.pages_max).get(label, [])
        source = LogOfPages(log=log, catalog=Catalog(house.engine), fold=house.fold)
        try:
            report = _report(source, pages, target, house.rewards)
        except (NoEstimate, NotReplayable) as error:
            raise CommandError(f"arm {asked.drawn_by}: {error}") from error
        except EngineError as error:
            raise CommandError(f"model {version} cannot draw: {error}") from error
    _show(output, report)
    output.document(
        {
            "experiment": asked.name,
            "drawn_by": asked.drawn_by,
            "target": asked.target,
            "target_version": version,
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            **off_policy_json(report),
        }
    )


def _label(engine: sa.Engine, asked: Asked) -> str:
    experiment = Experiments(engine).get(asked.name)
    aliases = [arm.alias for arm in experiment.arms]
    if asked.drawn_by not in aliases:
        raise InputError(
            f"--drawn-by: {asked.drawn_by!r} is no arm of {asked.name}",
            f"name {' or '.join(aliases)}",
        )
    return experiment.label(asked.drawn_by)


def _bundle(engine: sa.Engine, paths: StatePaths, target: str) -> tuple[str, ServedBundle]:
    registry = Registry(engine)
    try:
        record = registry.resolve(target) or registry.get(target)
        return record.version, load_served(paths.bundles / record.bundle)
    except ModelUnknown as error:
        raise InputError(f"--target: no model or alias is called {target!r}") from error
    except BundleError as error:
        raise CommandError(f"the bundle of {target} cannot be loaded: {error}") from error


def _target(bundle: ServedBundle, asked: Asked) -> Target:
    try:
        return Target(
            bundle=bundle, temperature=asked.temperature, top_p=asked.top_p, dreams=asked.dreams
        )
    except ValueError as error:
        field, told = str(error).split(": ", 1)
        raise InputError(f"--{field.replace('_', '-')}: {told}") from error


def _report(
    source: LogOfPages,
    pages: list[LoggedPageOutcome],
    target: Target,
    rewards: RewardConfig,
) -> OffPolicyReport:
    if not pages:
        raise NoEstimate(f"no page was drawn half an hour ago or earlier: {GREEDY}")
    return estimate_off_policy(drawn_pages(source, pages, target, rewards))


def _show(output: Output, report: OffPolicyReport) -> None:
    output.table(
        "Page reward of the target, a page",
        ("estimator", "value", "95 % interval"),
        [
            (
                one.estimator,
                f"{one.value:.3f}",
                f"{one.interval.low:.3f} to {one.interval.high:.3f}",
            )
            for one in report.estimates
        ],
    )
    output.say(
        f"{report.pages} drawn pages earned {report.earned:.3f} a page, and are worth "
        f"{report.effective:.1f} of the target's own"
    )
    for warning in report.warnings:
        output.say(f"warning: {warning}")
