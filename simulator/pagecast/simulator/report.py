"""What a simulation came to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pagecast.featurestore.reward import RewardConfig
from pagecast.simulator.interval import Estimate, mean_by_member
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.reaction import Reaction
from pagecast.simulator.session import SessionRecord
from pagecast.simulator.world import DAY_MS

DAYS_OVER = "days over"
ALL_LEFT = "all members left"


@dataclass(kw_only=True)
class Tally:
    """Counts of some sessions."""

    sessions: int = 0
    abandoned: int = 0
    """Sessions in which nothing was chosen."""
    pages: int = 0
    degraded_pages: int = 0
    impressions: int = 0
    """Entities on screens."""
    clicks: int = 0
    """Of entities, visits of details among them."""
    plays: int = 0
    completed: int = 0
    reward: float = 0.0
    """Of all pages."""

    def add(self, record: SessionRecord) -> None:
        self.sessions += 1
        clicks_before = self.clicks
        self.pages += len(record.pages)
        self.degraded_pages += sum(bool(page.degraded_reason) for page in record.pages)
        for event in record.events:
            match event.WhichOneof("action"):
                case "impression":
                    self.impressions += sum(len(r.entity_ids) for r in event.impression.rows)
                case "click" | "view_details":
                    self.clicks += 1
                case "play":
                    self.plays += 1
                case "stop":
                    self.completed += event.stop.completed
        self.abandoned += self.clicks == clicks_before


@dataclass(kw_only=True)
class Tallies:
    """By member and by day."""

    start_ms: int
    of_member: dict[str, Tally] = field(default_factory=dict)
    of_day: dict[int, Tally] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    """Pages by model version; "" for those without a model."""

    def add(self, record: SessionRecord) -> None:
        self.of_member.setdefault(record.user_id, Tally()).add(record)
        self.of_day.setdefault(self._day(record.began_ms), Tally()).add(record)
        for page in record.pages:
            self.models[page.model_version] = self.models.get(page.model_version, 0) + 1

    def add_rewards(self, ledger: Ledger, reward: RewardConfig) -> None:
        """Of all pages: every one of them is over."""
        for page in ledger.pages():
            worth = reward.of_page(page.entities)
            self.of_member[page.user_id].reward += worth
            day = self.of_day.setdefault(self._day(page.requested_at_ms), Tally())
            day.reward += worth

    def whole(self) -> Tally:
        whole = Tally()
        for tally in self.of_member.values():
            for name, value in asdict(tally).items():
                setattr(whole, name, getattr(whole, name) + value)
        return whole

    def per_session(self, name: str) -> Estimate:
        """Mean of a count, or of the reward, per session."""
        tallies = list(self.of_member.values())
        totals = [float(getattr(tally, name)) for tally in tallies]
        return mean_by_member(totals, [float(tally.sessions) for tally in tallies])

    def _day(self, at_ms: int) -> int:
        return (at_ms - self.start_ms) // DAY_MS


PER_SESSION = ("reward", "clicks", "plays", "completed", "abandoned", "impressions")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A simulation and what it ran on. `simulator` says in every report that nobody was real."""

    seed: int
    start_ms: int
    config_sha256: str
    data_sha256: str
    members: int
    members_left: int
    days: int
    """Days that were simulated."""
    ended: str
    """DAYS_OVER or ALL_LEFT."""
    tallies: Tallies
    late_pages: int
    launched: int
    reactions: Sequence[Reaction]
    twins_unconfirmed: int
    """Twins of whom the platform had not confirmed in time that they are forgotten. All of them
    stay in its popularity, which nothing is erased from."""
    seconds: float
    """Of real time."""

    @property
    def sessions_per_minute(self) -> float:
        return self.tallies.whole().sessions / self.seconds * 60 if self.seconds else 0.0

    def to_dict(self) -> dict[str, Any]:
        whole = self.tallies.whole()
        return {
            "simulator": True,
            "seed": self.seed,
            "start_ms": self.start_ms,
            "config_sha256": self.config_sha256,
            "data_sha256": self.data_sha256,
            "members": self.members,
            "members_left": self.members_left,
            "days": self.days,
            "ended": self.ended,
            **{name: value for name, value in asdict(whole).items() if name != "reward"},
            "models": self.tallies.models,
            "late_pages": self.late_pages,
            "launched": self.launched,
            "per_session": {name: asdict(self.tallies.per_session(name)) for name in PER_SESSION},
            "by_day": [
                {"day": day, **asdict(tally)} for day, tally in sorted(self.tallies.of_day.items())
            ],
            "reactions": [asdict(reaction) for reaction in self.reactions],
            "twins_unconfirmed": self.twins_unconfirmed,
            "seconds": self.seconds,
            "sessions_per_minute": self.sessions_per_minute,
        }
