"""What the simulated members are like: the parameters, each with its reason.

The values are guesses: no public data shows what members of such a service do on a whole page. They
are frozen before any model is tuned on them, and every report carries `sha256`. Bounds that keep a
session plausible are constants where they hold (`PAGES_MAX`, `MINUTES_MIN`...): a test freezes
them, too, because the hash does not cover them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

Value = TypeVar("Value")

DAYPARTS = ("night", "morning", "afternoon", "evening")
"""Quarters of a day, in their order."""

DEVICES = ("tv", "mobile", "web")


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """What of a page is seen, and what of it is looked at."""

    viewport_rows: int = 3
    """Rows on the screen at once."""
    viewport_entities: int = 5
    """Entities of a row on the screen at once."""
    row_decay: float = 0.8
    """Factor of the chance to look at an entity, for each row of the screen above it."""
    position_decay: float = 0.88
    """The same, for each entity of the row to its left: people read from the top left."""
    scroll_down: float = 0.65
    """Chance to go on to the next rows when nothing was chosen: most of a page is never seen."""
    scroll_right: float = 0.25
    """Chance to see more of the screen's best row first: sideways is the rarer way."""
    screens_max: int = 12
    """Most screens that a page is scrolled through: keeps a page's minutes within its window."""
    screen_seconds: float = 15.0
    """Time on a screen, mean of an exponential that is cut at four times as much."""


@dataclass(frozen=True, kw_only=True)
class IntentConfig:
    """What a session is begun for; the member knows, the platform has to guess.

    Raises ValueError that names an unknown daypart or device.
    """

    dayparts: Mapping[str, float] = field(
        default_factory=lambda: {"night": 0.1, "morning": 0.12, "afternoon": 0.28, "evening": 0.5}
    )
    """Share of sessions in 0-6, 6-12, 12-18 and 18-24 o'clock (UTC: all live in one place)."""
    devices: Mapping[str, Mapping[str, float]] = field(
        default_factory=lambda: {
            "night": {"tv": 0.5, "mobile": 0.35, "web": 0.15},
            "morning": {"tv": 0.2, "mobile": 0.6, "web": 0.2},
            "afternoon": {"tv": 0.35, "mobile": 0.4, "web": 0.25},
            "evening": {"tv": 0.75, "mobile": 0.15, "web": 0.1},
        }
    )
    """Share of devices by daypart."""
    resume: Mapping[str, float] = field(
        default_factory=lambda: {"tv": 0.45, "mobile": 0.6, "web": 0.4}
    )
    """Chance that a member with something unfinished comes to finish it, by device."""
    genre: float = 0.5
    """Chance, if they do not, to want one genre; else they look around."""
    genre_taste: float = 1.0
    """How much the genre follows the member's own taste, in its deviations."""
    genre_daypart: float = 0.7
    """How much it follows what everybody wants at this time of day; the data has no such thing."""
    genre_bonus: float = 1.2
    """Utility of an entity of the wanted genre, in deviations of taste."""
    minutes: Mapping[str, float] = field(
        default_factory=lambda: {"tv": 150.0, "mobile": 35.0, "web": 90.0}
    )
    """Time there is for a session, mean of an exponential, by device."""

    def __post_init__(self) -> None:
        # A draw goes through shares in their order, which the hash does not cover.
        dayparts = _ordered("dayparts", self.dayparts, DAYPARTS)
        devices = {
            part: _ordered(f"devices.{part}", shares, DEVICES)
            for part, shares in _ordered("devices", self.devices, DAYPARTS).items()
        }
        object.__setattr__(self, "dayparts", dayparts)
        object.__setattr__(self, "devices", devices)
        object.__setattr__(self, "minutes", _ordered("minutes", self.minutes, DEVICES))


def _ordered(field_name: str, of: Mapping[str, Value], names: Sequence[str]) -> dict[str, Value]:
    if unknown := [name for name in of if name not in names]:
        raise ValueError(f"intent.{field_name}: {unknown[0]!r} is none of {', '.join(names)}")
    return {name: of[name] for name in names if name in of}


@dataclass(frozen=True, kw_only=True)
class AppetiteConfig:
    """What makes an entity wanted. Utilities are in deviations of taste over members and entities;
    the choice adds a Gumbel of scale 1 to each and to leaving everything alone."""

    factors: int = 16
    """Dimensions of taste: about what the data's ratings can tell apart."""
    taste: float = 2.0
    """Weight of the member's own taste: most of what decides is personal."""
    appeal: float = 0.5
    """Weight of what everybody likes, from the data's counts."""
    nothing: float = 6.5
    """Utility of choosing nothing on a screen. Set so that pages matter: rows of random entities
    bring half as many plays a session as rows in the order of true taste (benchmarks/simulator.md).
    """
    unknown: float = -1.0
    """Taste for an entity nobody has told the simulator of."""
    genre_satiation: float = 0.5
    """Lost by each recent play of the same genre."""
    satiation_days: float = 1.5
    """Days after which half of that is forgotten."""
    completed: float = 4.0
    """Lost by what was watched to its end: few watch a film again within weeks."""
    fatigue: float = 0.15
    """Lost each time the entity was looked at and not chosen."""
    fatigue_max: int = 8
    """Times that count."""
    resume: float = 1.0
    """Gained by what is unfinished: the pull of continue-watching."""
    resume_intended: float = 3.0
    """The same in a session begun for that."""
    resume_days: float = 5.0
    """Days after which half of that pull is gone."""


@dataclass(frozen=True, kw_only=True)
class WatchingConfig:
    """What follows a choice."""

    details: float = 0.3
    """Share of choices that visit the details page; the others are clicks."""
    play: float = 0.8
    """Chance that a choice is played."""
    listed: float = 0.3
    """Chance that what was chosen and not played is put on the list."""
    feature_minutes: float = 105.0
    """Median running time; the data has none."""
    feature_spread: float = 0.25
    """Deviation of its logarithm."""
    completes: float = 0.3
    """Log-odds that a play of average fit goes to the end, if there is time."""
    completes_fit: float = 0.9
    """How much these grow with each deviation of fit: those who like it stay."""
    stop_after: float = 0.55
    """Chance that a session ends after a play."""
    stop_after_resumed: float = 0.85
    """The same after going on with something that was begun: the stopping power of
    continue-watching. It satisfies the intent and ends the browsing."""
    rate: float = 0.2
    """Chance that a play is rated afterwards."""
    rating_mean: float = 3.4
    """Points of 5 at average fit."""
    rating_fit: float = 0.6
    """Points per deviation of fit."""
    hide: float = 0.3
    """Chance to hide what is looked at and strongly disliked."""
    hide_below: float = -2.0
    """What counts as strongly disliked, in deviations of taste."""


@dataclass(frozen=True, kw_only=True)
class LifeConfig:
    """Who the members are, how often they come, how they change, and when they leave."""

    noise: float = 0.3
    """Deviation of a member's taste from that of the person of the data it is drawn from, relative
    to the factors' own: two members of one person are not the same."""
    past_plays: int = 20
    """That person's newest plays, published as the member's own before the first day: members begin
    with a past."""
    past_days: int = 30
    """Days over which these are spread."""
    drift: float = 0.5
    """Long-run deviation of taste from where it began, relative to the factors' own."""
    drift_days: float = 20.0
    """Days after which half of a deviation is gone."""
    sessions_a_day: float = 0.9
    """Of a member who is neither content nor disappointed."""
    activity: float = 0.6
    """Deviation of its logarithm over members: few come often."""
    sessions_a_day_max: int = 6
    """Most sessions of a member on a day."""
    visits: float = 0.8
    """How much more often, in logarithms, the content come than the disappointed."""
    memory: float = 0.25
    """Weight of the newest session in what a member thinks of the service."""
    gain_completed: float = 1.0
    """What a session with a play to the end is worth to a member: the best there is."""
    gain_watched: float = 0.6
    """With a play of ten minutes and more."""
    gain_started: float = 0.1
    """With a shorter one."""
    gain_nothing: float = -0.4
    """Without any: time was wasted."""
    leave: float = 0.03
    """Chance, after a day with a session, that a disappointed member leaves for good."""
    leave_content: float = 3.0
    """How much less, in logarithms, the content leave."""


@dataclass(frozen=True, kw_only=True)
class LaunchConfig:
    """Entities that are new: published during the simulation, and in nobody's data."""

    a_day: int = 2
    """Premieres a day."""
    genres: int = 2
    """Genres of each, drawn by how often the catalog has them."""
    spread: float = 0.7
    """Deviation of a new entity's factors from its genres' mean, relative to the factors' own:
    metadata says something and not everything."""
    novelty: float = 1.5
    """Utility of being new on the first day."""
    novelty_days: float = 7.0
    """Days after which half of that is gone."""


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """All of it. `sha256` is the same for the same values and for no others."""

    attention: AttentionConfig = AttentionConfig()
    intent: IntentConfig = field(default_factory=IntentConfig)
    appetite: AppetiteConfig = AppetiteConfig()
    watching: WatchingConfig = WatchingConfig()
    life: LifeConfig = LifeConfig()
    launches: LaunchConfig = LaunchConfig()

    @property
    def sha256(self) -> str:
        """Of its values as JSON, lower-case hexadecimal."""
        written = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(written.encode()).hexdigest()
