"""A month of an arm: its first days, its last and all of them, beside others in the same days.

Letters: M members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pagecast.cli.bench.align.lifts import Lift, lift
from pagecast.cli.bench.align.loop.config import FROZEN, GREEDY, MULTI_STAGE
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.cli.bench.align.loop.seen import Seen, seen_in, seen_lifts
from pagecast.simulator.interval import Estimate, mean_by_member

PARTS = 3
"""Parts of a run: its first and last third are compared. A day alone is too few sessions."""

BESIDE = (MULTI_STAGE, FROZEN, GREEDY)
"""Arms that every other one is compared with, by the same members on the same days: the pipeline to
beat, no learning, and learning without exploration."""

Pair = tuple[Sequence[Row], Sequence[Row]]
"""Days of two arms with one seed."""


@dataclass(frozen=True, kw_only=True)
class Period:
    """Some days of an arm over all its seeds; days count from 0, `until` is excluded."""

    begin: int
    until: int
    sessions: int
    reward: Estimate
    """Per session, with an interval over members."""
    beside: Mapping[str, Lift]
    """The reward's lift, by the arm it is compared with, if that was measured."""
    best_page: float | None
    drawn_page: float | None
    """Reward of a page of best tokens, and of a drawn one; None if there was no such page."""
    seen: Seen
    seen_beside: Mapping[str, Mapping[str, Estimate]]
    """Lifts of what was seen, beside the same arms (`seen_lifts`)."""
    members: float
    """How many had not left in the end, as a mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The last days of every arm contain what members' satiation and drift do."""

    arm: str
    first: Period
    last: Period
    whole: Period

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """A summary of every arm, in the order of the rows."""
    days = max((row.day for row in rows), default=-1) + 1
    part = max(1, days // PARTS)
    first, last = range(part), range(days - part, days)
    return [
        Summary(
            arm=name,
            first=_period(rows, name, first),
            last=_period(rows, name, last),
            whole=_period(rows, name, range(days)),
        )
        for name in dict.fromkeys(row.arm for row in rows)
    ]


def _period(every: Sequence[Row], name: str, days: range) -> Period:
    rows = _of(every, name, days)
    cells = [_cell(of) for of in _by_seed(rows).values()]
    sessions_M = [n for cell in cells for n in cell["sessions"]]
    reward_M = [worth for cell in cells for worth in cell["reward"]]
    pages, drawn_pages = sum(row.pages for row in rows), sum(row.drawn_pages for row in rows)
    reward, drawn_reward = sum(reward_M), sum(row.drawn_reward for row in rows)
    beside = {other: _pairs(rows, _of(every, other, days)) for other in BESIDE if other != name}
    beside = {other: pairs for other, pairs in beside.items() if pairs}
    return Period(
        begin=days.start,
        until=days.stop,
        sessions=round(sum(sessions_M)),
        reward=mean_by_member(reward_M, sessions_M),
        beside={other: _lift((name, other), pairs) for other, pairs in beside.items()},
        best_page=_mean(reward - drawn_reward, pages - drawn_pages),
        drawn_page=_mean(drawn_reward, drawn_pages),
        seen=seen_in(rows),
        seen_beside={other: seen_lifts(pairs) for other, pairs in beside.items()},
        members=sum({row.seed: row.members for row in rows}.values()) / _seeds(every, name),
    )


def _seeds(every: Sequence[Row], name: str) -> int:
    """How many seeds an arm has; one whose members have all left adds no rows and no members."""
    return len({row.seed for row in every if row.arm == name})


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _lift(names: tuple[str, str], pairs: Sequence[Pair]) -> Lift:
    ours, theirs = ([_cell(rows) for rows in side] for side in zip(*pairs, strict=True))
    return lift("reward", names, ours, theirs)


def _of(rows: Sequence[Row], name: str, days: range) -> list[Row]:
    return [row for row in rows if row.arm == name and row.day in days]


def _pairs(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Pair]:
    """For the seeds of which both have days: an arm that has lost all members has none."""
    other = _by_seed(theirs)
    return [(rows, other[seed]) for seed, rows in _by_seed(ours).items() if seed in other]


def _cell(rows: Sequence[Row]) -> dict[str, list[float]]:
    """The sums of each member of a seed."""
    return {
        "sessions": np.sum([row.sessions_M for row in rows], axis=0, dtype=float).tolist(),
        "reward": np.sum([row.reward_M for row in rows], axis=0).tolist(),
    }


def _by_seed(rows: Sequence[Row]) -> dict[int, list[Row]]:
    seeds = dict.fromkeys(row.seed for row in rows)
    return {seed: [row for row in rows if row.seed == seed] for seed in seeds}
