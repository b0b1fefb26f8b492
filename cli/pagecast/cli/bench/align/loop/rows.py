"""What a day of an arm came to.

Letters: M members.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from pagecast.cli.bench.align.loop.exposure import Exposure
from pagecast.cli.bench.align.loop.log import SeenPage
from pagecast.featurestore.pages.reward import RewardConfig


@dataclass(frozen=True, kw_only=True)
class Row:
    """A day; figures by member are in the order of members, 0 for those who did not come."""

    arm: str
    seed: int
    day: int
    """From 0."""
    members: int
    """How many had not left when it was over."""
    pages: int
    drawn_pages: int
    """Of `pages`, those that explored."""
    drawn_reward: float
    """Sum over `drawn_pages`."""
    sessions_M: tuple[int, ...]
    reward_M: tuple[float, ...]
    """What members truly did on the pages of the day, by the table that rewards pages anywhere."""
    exposure: Exposure

    @property
    def sessions(self) -> int:
        return sum(self.sessions_M)

    @property
    def reward(self) -> float:
        return sum(self.reward_M)

    def to_json(self) -> dict[str, Any]:
        """All of it, so that a row can be read again."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Row":
        return _ROW.validate_python(told)

    def to_dict(self) -> dict[str, Any]:
        """For a report: sums instead of members."""
        told = asdict(self)
        del told["sessions_M"], told["reward_M"], told["exposure"]
        per_session = self.reward / self.sessions if self.sessions else None
        return {
            **told,
            "sessions": self.sessions,
            "reward": self.reward,
            "reward_per_session": per_session,
            **asdict(self.exposure),
        }


_ROW = TypeAdapter(Row)


def row_of(
    arm: str,
    seed: int,
    day: int,
    present: int,
    members: Sequence[str],
    pages: Sequence[SeenPage],
    seen: Exposure,
    reward: RewardConfig,
) -> Row:
    """The row of a day's pages; `members` are the user ids of all members in their order."""
    sessions: dict[str, set[str]] = {name: set() for name in members}
    rewards = dict.fromkeys(members, 0.0)
    drawn_pages, drawn_reward = 0, 0.0
    for one in pages:
        worth = reward.of_page(one.outcome.entities)
        sessions[one.page.user_id].add(one.page.context.session_id)
        rewards[one.page.user_id] += worth
        if one.page.HasField("sampling"):
            drawn_pages += 1
            drawn_reward += worth
    return Row(
        arm=arm,
        seed=seed,
        day=day,
        members=present,
        pages=len(pages),
        drawn_pages=drawn_pages,
        drawn_reward=drawn_reward,
        sessions_M=tuple(len(sessions[name]) for name in members),
        reward_M=tuple(rewards.values()),
        exposure=seen,
    )
