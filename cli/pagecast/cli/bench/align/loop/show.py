"""The loop on the terminal."""

from collections.abc import Sequence

from pagecast.cli.bench.align.loop.summary import Period, Summary
from pagecast.cli.output import Output
from pagecast.simulator.interval import Estimate

TITLE = "Closed loop: each day is learned from before the next"

COLUMNS = (
    *("arm", "days", "sessions", "reward", "best page", "drawn page", "long tail", "launched"),
    *("coverage", "effective", "members"),
)

LIFTED = {"tail": "long tail", "coverage": "coverage", "effective": "effective"}
"""Which figures of what was seen are compared, and their columns."""

TOLD = """
Rewards are per session, intervals 95 % over members, paired where arms are compared. All others are
over seeds: means of the seeds, with intervals of trainings done again. Nobody was real. Members
tire of what they have seen, whoever makes their pages: what learning did is the distance to the
frozen arm, not to the first days.
"""


def show_loop(output: Output, arms: Sequence[Summary]) -> None:
    """The first, the last and all days of each arm; then the same beside other arms."""
    periods = [(one.arm, part) for one in arms for part in (one.first, one.last, one.whole)]
    output.table(TITLE, COLUMNS, [_line(name, part) for name, part in periods])
    output.say()
    output.table(
        "Beside others, by the same members in the same days",
        ("arm", "days", "beside", "reward", "over seeds", *LIFTED.values()),
        [row for name, part in periods for row in _beside(name, part)],
    )
    output.say(TOLD)


def _days(period: Period) -> str:
    return f"{period.begin + 1}-{period.until}"


def _line(name: str, period: Period) -> tuple[str, ...]:
    reward, seen = period.reward, period.seen
    return (
        *(name, _days(period), str(period.sessions)),
        _interval(reward.mean, reward.low, reward.high, ".3f"),
        "" if period.best_page is None else f"{period.best_page:.3f}",
        "" if period.drawn_page is None else f"{period.drawn_page:.3f}",
        *(f"{seen.tail:.1%}", f"{seen.launched:.1%}", f"{seen.coverage:.1%}"),
        *(f"{seen.effective:.0f}", f"{period.members:.0f}"),
    )


def _beside(name: str, period: Period) -> list[tuple[str, ...]]:
    return [
        (
            *(name, _days(period), other, _change(one.lift), _change(one.over_seeds)),
            *(_change(period.seen_beside[other][what]) for what in LIFTED),
        )
        for other, one in period.beside.items()
    ]


def _change(lift: Estimate) -> str:
    return _interval(lift.mean, lift.low, lift.high, "+.1%")


def _interval(mean: float | None, low: float | None, high: float | None, form: str) -> str:
    if mean is None:
        return ""
    told = format(mean, form)
    return told if low is None or high is None else f"{told} ({low:{form}} to {high:{form}})"
