"""A simulation's report, for people."""

from pagecast.cli.output import Output
from pagecast.simulator.interval import Estimate
from pagecast.simulator.reaction import Reaction
from pagecast.simulator.report import ALL_LEFT, PER_SESSION, Report

MINUTES_A_DAY, MINUTES_AN_HOUR = 24 * 60, 60

REACTION_COLUMNS = (
    "after",
    "members",
    "dropped",
    "entities changed",
    "interval",
    "played genres",
    "interval",
)


UNKNOWN_SHARE_MAX = 0.05
"""Share of impressions above which the report says that the catalog is not the data's: premieres of
an earlier simulation are unknown, too."""


def show(output: Output, report: Report, data: str) -> None:
    """Shows tables that say they are a simulator's; `data` names what members are made from."""
    whole, config = report.tallies.whole(), report.config
    output.say(
        ("Simulator", "bold"),
        f" (nobody is real), seed {config.seed}, config {config.simulator.sha256[:12]}, "
        f"data {data} ({report.data_sha256[:12]}): {report.days} days, "
        f"{config.members - report.members_left} of {config.members} members are still there",
    )
    _warn_of_other_data(output, report, data)
    if report.ended == ALL_LEFT:
        output.say((f"All members left by day {report.days}: it ended there.", "yellow"))
    output.say(
        f"{whole.sessions:,} sessions, {whole.pages:,} pages ({whole.degraded_pages:,} degraded, "
        f"{report.late_pages:,} asked for before the history had the member's events), "
        f"{report.launched:,} premieres, {report.sessions_per_minute:,.0f} sessions a minute"
    )
    output.table(
        "per session",
        ("what", "mean", "95 % interval"),
        [(name, *_cells(report.tallies.per_session(name))) for name in PER_SESSION],
    )
    if report.reactions:
        output.table(
            "first screens after a session, beside a twin's who had none",
            REACTION_COLUMNS,
            [_reaction(one) for one in report.reactions],
        )
    if report.twins_unconfirmed:
        output.say(
            (
                f"{report.twins_unconfirmed} twins were not confirmed to be forgotten in time. "
                "The orders stand; `pagecast forget` says more of users whose ids end in -twin.",
                "yellow",
            )
        )


def _warn_of_other_data(output: Output, report: Report, data: str) -> None:
    if report.unknown_share <= UNKNOWN_SHARE_MAX:
        return
    output.say(
        (
            f"{report.unknown_share:.0%} of what was seen is not in {data}, so that members know "
            "nothing of it, and these figures say nothing: give --data the platform's own.",
            "yellow",
        )
    )


def _reaction(one: Reaction) -> tuple[str, ...]:
    """`dropped` are pairs of pages that different arms or models made."""
    counts = str(one.members), str(one.dropped)
    return _span(one.after_minutes), *counts, *_cells(one.changed), *_cells(one.genre_lift)


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.mean is None:
        return "none", ""
    if estimate.low is None:
        return f"{estimate.mean:.3f}", ""
    return f"{estimate.mean:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}"


def _span(minutes: int) -> str:
    if minutes >= MINUTES_A_DAY:
        return f"{minutes // MINUTES_A_DAY} d"
    return f"{minutes // MINUTES_AN_HOUR} h" if minutes >= MINUTES_AN_HOUR else f"{minutes} min"
