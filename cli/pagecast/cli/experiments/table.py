"""Experiments and reports for people, in the terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.markup import escape

from pagecast.cli.output import Output
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparison import Estimate
from pagecast.featurestore.experiments.report import ArmReport, Compared, ExperimentReport

COMPARED = ("metric", "arm", "control", "treated", "lift", "95 %, however often read", "variance")
"""Columns of `compared_cells`."""

ARMS = ("arm", "share", "users", "pending", "pages", "fell back", "versions", "coverage")
"""Columns of `arm_cells`."""


def show_experiments(output: Output, experiments: Sequence[Experiment]) -> None:
    output.table(
        "",
        ("name", "arms", "control", "outcome", "started", "stopped"),
        [
            (
                one.name,
                " ".join(f"{arm.alias}={arm.share:g}" for arm in one.arms),
                one.control,
                f"{one.outcome_ms / 3_600_000:g} h",
                moment(one.started_at_ms),
                moment(one.stopped_at_ms),
            )
            for one in experiments
        ],
    )


def show_report(output: Output, report: ExperimentReport) -> None:
    output.table("arms", ARMS, [arm_cells(arm) for arm in report.arms])
    for title, found in (("metrics, by user", report.metrics), ("guardrails", report.guardrails)):
        if found:
            output.say()
            output.table(title, COMPARED, [compared_cells(one) for one in found])
    for warning in report.warnings:
        output.say(f"[yellow]warning:[/] {escape(warning)}")


def arm_cells(arm: ArmReport) -> Sequence[str]:
    versions = " ".join(f"{version or 'none'}:{n}" for version, n in arm.versions.items())
    return (
        *(arm.alias, f"{arm.share:g}", f"{arm.users:,}", f"{arm.pending:,}", f"{arm.pages:,}"),
        *(f"{arm.fell_back:,}", versions or "-", f"{arm.coverage:.1%}"),
    )


def compared_cells(one: Compared) -> Sequence[str]:
    """The lift with its interval; the difference's, where there is no lift."""
    found = one.figures
    shown = (
        (f"{found.difference.value:+.4f}", _interval(found.difference, "+.4f"))
        if found.lift is None
        else (f"{found.lift.value:+.1%}", _interval(found.lift, "+.1%"))
    )
    return (
        *(one.metric, one.arm, f"{found.control_mean:.4f}", f"{found.treated_mean:.4f}", *shown),
        f"{found.variance_kept:.0%}",
    )


def moment(at_ms: int | None) -> str:
    return "-" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def segment_cells(found: Iterable[Compared]) -> Iterable[Sequence[str]]:
    for one in found:
        users = one.figures.control_users + one.figures.treated_users
        yield one.segment, f"{users:,}", *compared_cells(one)


def _interval(estimate: Estimate, how: str) -> str:
    interval = estimate.interval
    return "too few users" if interval is None else f"{interval.low:{how}} to {interval.high:{how}}"
