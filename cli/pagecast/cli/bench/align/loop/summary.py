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
"""Of a run of days: the first and the last third are compared. A day alone is too few sessions."""

BESIDE = (MULTI_STAGE, FROZEN, GREEDY)
"""Arms that every other one is compared with, by the same members in the same days: the pipeline to
beat, what is there without learning, and learning without exploration."""

Pair = tuple[Sequence[Row], Sequence[Row]]
"""Days of an arm and of another, of one seed."""


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
    seen: Seen
    seen_beside: Mapping[str, Mapping[str, Estimate]]
    """What was seen, as lifts beside the same arms (`seen_lifts`)."""
    members: float
    """Who had not left in the end, of a seed."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What members' satiation and drift do is in the last days of every arm."""

    arm: str
    first: Period
    last: Period
    whole: Period

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """Of every arm, in the order of the rows."""
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
    """Of an arm; one whose members have all left has no row any more, and nobody."""
    return len({row.seed for row in every if row.arm == name})


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _lift(names: tuple[str, str], pairs: Sequence[Pair]) -> Lift:
    ours, theirs = ([_cell(rows) for rows in side] for side in zip(*pairs, strict=True))
    return lift("reward", names, ours, theirs)


def _of(rows: Sequence[Row], name: str, days: range) -> list[Row]:
    return [row for row in rows if row.arm == name and row.day in days]


def _pairs(ours: Sequence[Row], theirs: Sequence[Row]) -> list[Pair]:
    """Of the seeds that both have days of: who has lost all members has none."""
    other = _by_seed(theirs)
    return [(rows, other[seed]) for seed, rows in _by_seed(ours).items() if seed in other]


def _cell(rows: Sequence[Row]) -> dict[str, list[float]]:
    """What each member of a seed came to."""
    return {
        "sessions": np.sum([row.sessions_M for row in rows], axis=0, dtype=float).tolist(),
        "reward": np.sum([row.reward_M for row in rows], axis=0).tolist(),
    }


def _by_seed(rows: Sequence[Row]) -> dict[int, list[Row]]:
    seeds = dict.fromkeys(row.seed for row in rows)
    return {seed: [row for row in rows if row.seed == seed] for seed in seeds}
