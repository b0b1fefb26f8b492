"""What a simulation came to."""

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.interval import Estimate, mean_by_member
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.reaction import Reaction
from pagecast.simulator.run_config import RunConfig
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
    unknown: int = 0
    """Of `impressions`, those of entities that the data do not have and nobody launched."""
    clicks: int = 0
    """Of entities, including visits of details."""
    plays: int = 0
    completed: int = 0
    reward: float = 0.0
    """Of all pages."""

    def add(self, record: SessionRecord, known: Container[str]) -> None:
        self.sessions += 1
        clicks_before = self.clicks
        self.pages += len(record.pages)
        self.degraded_pages += sum(bool(page.degraded_reason) for page in record.pages)
        for event in record.events:
            match event.WhichOneof("action"):
                case "impression":
                    seen = [e for row in event.impression.rows for e in row.entity_ids]
                    self.impressions += len(seen)
                    self.unknown += sum(entity_id not in known for entity_id in seen)
                case "click" | "view_details":
                    self.clicks += 1
                case "play":
                    self.plays += 1
                case "stop":
                    self.completed += event.stop.completed
        self.abandoned += self.clicks == clicks_before


@dataclass(kw_only=True)
class Tallies:
    """Tallies by member, and by the day on which a session began."""

    start_ms: int
    known: Container[str]
    """Entities that the world knows."""
    of_member: dict[str, Tally] = field(default_factory=dict)
    of_day: dict[int, Tally] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    """Pages by model version; "" for those without a model."""
    _day_of_page: dict[str, int] = field(default_factory=dict)

    def add(self, record: SessionRecord) -> None:
        day = (record.began_ms - self.start_ms) // DAY_MS
        self.of_member.setdefault(record.user_id, Tally()).add(record, self.known)
        self.of_day.setdefault(day, Tally()).add(record, self.known)
        for page in record.pages:
            # A session may run into the next day: what it was worth counts for the day it began.
            self._day_of_page[page.page_id] = day
            self.models[page.model_version] = self.models.get(page.model_version, 0) + 1

    def add_rewards(self, ledger: Ledger, reward: RewardConfig) -> None:
        """Adds those of all pages, every one of which is over."""
        for page in ledger.pages():
            worth = reward.of_page(page.entities)
            self.of_member[page.user_id].reward += worth
            self.of_day[self._day_of_page[page.page_id]].reward += worth

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


PER_SESSION = ("reward", "clicks", "plays", "completed", "abandoned", "impressions")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A simulation and what it ran on. `simulator` says in every report that nobody was real."""

    config: RunConfig
    data_sha256: str
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
    """Twins whose erasure the platform did not confirm in time. All twins stay in its popularity,
    from which nothing is erased."""
    seconds: float
    """Of real time, for the days alone: neither for members' pasts nor for comparing pages."""

    @property
    def sessions_per_minute(self) -> float:
        return self.tallies.whole().sessions / self.seconds * 60 if self.seconds else 0.0

    @property
    def unknown_share(self) -> float:
        """Of all impressions: near 0, unless the platform's catalog is not that of the data."""
        whole = self.tallies.whole()
        return whole.unknown / whole.impressions if whole.impressions else 0.0

    def to_dict(self) -> dict[str, Any]:
        whole, config = self.tallies.whole(), self.config
        return {
            "simulator": True,
            "seed": config.seed,
            "start_ms": config.start_ms,
            "config_sha256": config.simulator.sha256,
            "data_sha256": self.data_sha256,
            "run": {
                "days": config.days,
                "speed": config.speed,
                "prefix": config.prefix,
                "readers": config.readers,
                "reaction_members": config.reaction_members,
            },
            "reward": asdict(config.reward),
            "members": config.members,
            "members_left": self.members_left,
            "days": self.days,
            "ended": self.ended,
            **{name: value for name, value in asdict(whole).items() if name != "reward"},
            "unknown_share": self.unknown_share,
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
