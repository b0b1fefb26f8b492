"""The loop on the terminal."""

from collections.abc import Sequence

from pagecast.cli.bench.align.lifts import Lift
from pagecast.cli.bench.align.loop.summary import BESIDE, Period, Summary
from pagecast.cli.output import Output
from pagecast.simulator.interval import Estimate

TITLE = "Closed loop: each day is learned from before the next"

REWARD_COLUMNS = (
    "arm",
    "days",
    "sessions",
    "reward",
    *(column for name in BESIDE for column in (f"beside {name}", "over seeds")),
)
SEEN_COLUMNS = (
    "arm",
    "days",
    "best page",
    "drawn page",
    "long tail",
    "launched",
    "coverage",
    "effective",
    "members",
)

LIFTED = {"tail": "long tail", "coverage": "coverage", "effective": "effective"}
"""Of what was seen, what is compared, and its column."""

TOLD = """
Rewards are per session, intervals 95 % over members, paired where arms are compared; over seeds:
means of the seeds, with intervals of trainings done again. Nobody was real. Members tire of what
they have seen, whoever makes their pages: what learning did is the distance to the frozen arm, not
to the first days.
"""


def show_loop(output: Output, arms: Sequence[Summary]) -> None:
    """Two lines an arm, in either table."""
    periods = [
        (name, period) for one in arms for name, period in ((one.arm, one.first), ("", one.last))
    ]
    output.table(TITLE, REWARD_COLUMNS, [_reward(name, period) for name, period in periods])
    output.say()
    output.table(
        "Rewards of pages, and what was seen",
        SEEN_COLUMNS,
        [_seen(name, period) for name, period in periods],
    )
    output.say()
    output.table(
        "What was seen, beside others in the same days; intervals over seeds",
        ("arm", "days", "beside", *LIFTED.values()),
        [row for name, period in periods for row in _seen_beside(name, period)],
    )
    output.say(TOLD)


def _days(period: Period) -> str:
    return f"{period.begin + 1}-{period.until}"


def _reward(name: str, period: Period) -> tuple[str, ...]:
    reward = period.reward
    return (
        name,
        _days(period),
        str(period.sessions),
        _interval(reward.mean, reward.low, reward.high, ".3f"),
        *(told for other in BESIDE for told in _lift(period.beside.get(other))),
    )


def _seen(name: str, period: Period) -> tuple[str, ...]:
    return (
        name,
        _days(period),
        "" if period.best_page is None else f"{period.best_page:.3f}",
        "" if period.drawn_page is None else f"{period.drawn_page:.3f}",
        f"{period.seen.tail:.1%}",
        f"{period.seen.launched:.1%}",
        f"{period.seen.coverage:.1%}",
        f"{period.seen.effective:.0f}",
        f"{period.members:.0f}",
    )


def _seen_beside(name: str, period: Period) -> list[tuple[str, ...]]:
    return [
        (name, _days(period), other, *(_change(lifts[what]) for what in LIFTED))
        for other, lifts in period.seen_beside.items()
    ]


def _lift(one: Lift | None) -> tuple[str, str]:
    return ("", "") if one is None else (_change(one.lift), _change(one.over_seeds))


def _change(lift: Estimate) -> str:
    return _interval(lift.mean, lift.low, lift.high, "+.1%")


def _interval(mean: float | None, low: float | None, high: float | None, form: str) -> str:
    if mean is None:
        return ""
    told = format(mean, form)
    return told if low is None or high is None else f"{told} ({low:{form}} to {high:{form}})"
