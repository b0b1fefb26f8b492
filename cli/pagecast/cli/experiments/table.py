"""Experiments and reports for people, in the terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pagecast.cli.output import Output
from pagecast.featurestore.experiments.arm_estimates import ArmEstimate
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparison import Estimate
from pagecast.featurestore.experiments.report import ArmReport, Compared, ExperimentReport

COMPARED = ("metric", "arm", "control", "treated", "lift", "95 %, however often read", "variance")
"""Columns of `compared_cells`."""

ARMS = (
    *("arm", "share", "users", "pending", "capped", "pages", "fell back", "drawn", "versions"),
    "coverage",
)
"""Columns of `arm_cells`."""

ESTIMATED = ("pages of", "target", "version", "pages", "worth", "earned", "IPS", "SNIPS", "DR")
"""Columns of `estimate_cells`."""


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
    if estimated := list(estimate_cells(report.off_policy)):
        output.say()
        output.table("off-policy: page reward, a page", ESTIMATED, estimated)
    for told in estimate_notes(report.off_policy):
        output.say(told)
    for warning in report.warnings:
        output.say(("warning:", "yellow"), f" {warning}")


def arm_cells(arm: ArmReport) -> Sequence[str]:
    versions = " ".join(f"{version or 'none'}:{n}" for version, n in arm.versions.items())
    return (
        *(arm.alias, f"{arm.share:g}", f"{arm.users:,}", f"{arm.pending:,}", f"{arm.capped:,}"),
        *(f"{arm.pages:,}", f"{arm.fell_back:,}", f"{arm.drawn:,}", versions or "-"),
        f"{arm.coverage:.1%}",
    )


def compared_cells(one: Compared) -> Sequence[str]:
    """The lift with its interval, or the difference with its own if there is no lift."""
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


def estimate_cells(asked: Iterable[ArmEstimate]) -> Iterable[Sequence[str]]:
    """The estimates there are, each with its 95 % interval for a single look."""
    for one in asked:
        if (found := one.found) is not None:
            yield (
                *(one.drawn_by, one.target, one.target_version),
                *(f"{found.pages:,}", f"{found.effective:,.1f}", f"{found.earned:.3f}"),
                *(
                    f"{est.value:.3f} ({est.interval.low:.3f} to {est.interval.high:.3f})"
                    for est in found.estimates
                ),
            )


def estimate_notes(asked: Iterable[ArmEstimate]) -> Iterable[str]:
    """Why an estimate is missing, and what to know before believing one."""
    for one in asked:
        of = f" of {one.target}" if one.target else ""
        about = f"off-policy estimate{of} from pages of {one.drawn_by}"
        if one.found is None:
            yield f"no {about}: {one.why_not}"
        else:
            yield from (f"{about}: {warning}" for warning in one.found.warnings)


def moment(at_ms: int | None) -> str:
    return "-" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def segment_cells(found: Iterable[Compared]) -> Iterable[Sequence[str]]:
    for one in found:
        users = one.figures.control_users + one.figures.treated_users
        yield one.segment, f"{users:,}", *compared_cells(one)


def _interval(estimate: Estimate, how: str) -> str:
    interval = estimate.interval
    return "too few users" if interval is None else f"{interval.low:{how}} to {interval.high:{how}}"
