"""A month of an arm in two lines, its first days and its last, beside others in the same days.

Letters: M members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pagecast.cli.bench.align.lifts import Lift, lift
from pagecast.cli.bench.align.loop.config import FROZEN, MULTI_STAGE
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.simulator.interval import Estimate, mean_by_member
from pagecast.trainer.benchmarks.cells import Figures

PARTS = 3
"""Of a run of days: the first and the last third are compared. A day alone is too few sessions."""

BESIDE = (MULTI_STAGE, FROZEN)
"""Arms that every other one is compared with, by the same members in the same days."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Some days of an arm, all its seeds together; days are from 0, `until` is not among them."""

    begin: int
    until: int
    sessions: int
    reward: Estimate
    """Per session, with an interval over members."""
    beside: Mapping[str, Lift]
    """The reward's lift, by the arm it is compared with; of those that were measured."""
    best_page: float | None
    drawn_page: float | None
    """Reward of a page whose tokens were the best, and of one that was drawn; None of no page."""
    tail: float
    launched: float
    """Shares of impressions."""
    coverage: float
    effective: float
    """Means over days."""
    members: float
    """Who had not left in the end, of a seed."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What members' satiation and drift do is in the last days of every arm."""

    arm: str
    first: Period
    last: Period

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Of every arm, in the order of the rows."""
    days = max((row.day for row in rows), default=-1) + 1
    part = max(1, days // PARTS)
    first, last = range(part), range(days - part, days)
    return [
        Summary(arm=name, first=_period(rows, name, first), last=_period(rows, name, last))
        for name in dict.fromkeys(row.arm for row in rows)
    ]


def _period(every: Sequence[Row], name: str, days: range) -> Period:
    rows = _of(every, name, days)
    cells = _cells(rows)
    sessions_M = [n for cell in cells for n in cell["sessions"]]
    reward_M = [worth for cell in cells for worth in cell["reward"]]
    pages, drawn_pages = sum(row.pages for row in rows), sum(row.drawn_pages for row in rows)
    reward, drawn_reward = sum(reward_M), sum(row.drawn_reward for row in rows)
    seen = [row.exposure for row in rows]
    impressions = max(sum(one.impressions for one in seen), 1)
    return Period(
        begin=days.start,
        until=days.stop,
        sessions=round(sum(sessions_M)),
        reward=mean_by_member(reward_M, sessions_M),
        beside=_beside(every, name, days),
        best_page=_mean(reward - drawn_reward, pages - drawn_pages),
        drawn_page=_mean(drawn_reward, drawn_pages),
        tail=sum(one.tail * one.impressions for one in seen) / impressions,
        launched=sum(one.launched * one.impressions for one in seen) / impressions,
        coverage=float(np.mean([one.coverage for one in seen])) if seen else 0.0,
        effective=float(np.mean([one.effective for one in seen])) if seen else 0.0,
        members=float(np.mean([of[-1].members for of in _by_seed(rows)])) if rows else 0.0,
    )


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _beside(every: Sequence[Row], name: str, days: range) -> dict[str, Lift]:
    ours: list[Figures] = [*_cells(_of(every, name, days))]
    lifts = {}
    for other in BESIDE:
        theirs: list[Figures] = [*_cells(_of(every, other, days))]
        if other != name and ours and theirs:
            lifts[other] = lift("reward", (name, other), ours, theirs)
    return lifts


def _of(rows: Sequence[Row], name: str, days: range) -> list[Row]:
    return [row for row in rows if row.arm == name and row.day in days]


def _cells(rows: Sequence[Row]) -> list[dict[str, list[float]]]:
    """By seed, what each member came to."""
    return [
        {
            "sessions": np.sum([row.sessions_M for row in of], axis=0, dtype=float).tolist(),
            "reward": np.sum([row.reward_M for row in of], axis=0).tolist(),
        }
        for of in _by_seed(rows)
    ]


def _by_seed(rows: Sequence[Row]) -> list[list[Row]]:
    seeds = dict.fromkeys(row.seed for row in rows)
    return [[row for row in rows if row.seed == seed] for seed in seeds]
