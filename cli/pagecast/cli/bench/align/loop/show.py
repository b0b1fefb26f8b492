"""The loop on the terminal."""

from collections.abc import Sequence

from pagecast.cli.bench.align.lifts import Lift
from pagecast.cli.bench.align.loop.summary import BESIDE, Period, Summary
from pagecast.cli.output import Output

TITLE = "Closed loop: each day is learned from before the next"

REWARD_COLUMNS = ("arm", "days", "sessions", "reward", *(f"beside {name}" for name in BESIDE))
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

TOLD = """
Rewards are per session, intervals 95 % over members, paired where arms are compared. Nobody was
real. Members tire of what they have seen, whoever makes their pages: what learning did is the
distance to the frozen arm, not to the first days.
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
        *(_lift(period.beside.get(other)) for other in BESIDE),
    )


def _seen(name: str, period: Period) -> tuple[str, ...]:
    return (
        name,
        _days(period),
        "" if period.best_page is None else f"{period.best_page:.3f}",
        "" if period.drawn_page is None else f"{period.drawn_page:.3f}",
        f"{period.tail:.1%}",
        f"{period.launched:.1%}",
        f"{period.coverage:.1%}",
        f"{period.effective:.0f}",
        f"{period.members:.0f}",
    )


def _lift(one: Lift | None) -> str:
    return "" if one is None else _interval(one.lift.mean, one.lift.low, one.lift.high, "+.1%")


def _interval(mean: float | None, low: float | None, high: float | None, form: str) -> str:
    if mean is None:
        return ""
    told = format(mean, form)
    return told if low is None or high is None else f"{told} ({low:{form}} to {high:{form}})"
