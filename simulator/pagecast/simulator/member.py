"""A member: what is true of one, and how it changes with what they do and with time.

Letters: K factors.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import LifeConfig
from pagecast.simulator.data import Floats
from pagecast.simulator.world import DAY_MS, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """Where a play ended before its end, and when."""

    minutes: float
    at_ms: int


@dataclass(kw_only=True)
class Member:
    """The platform knows `user_id`, and what it is told in events; the rest is the truth."""

    number: int
    user_id: str
    person: int
    """The person of the data from whom the taste was drawn."""
    base_K: Floats
    """Where taste began, and keeps returning to."""
    taste_K: Floats
    activity: float
    """Sessions a day of this member relative to the mean one's."""
    satisfaction: float = 0.0
    """With the service: from -1 to 1."""
    left: bool = False
    free_at_ms: int = 0
    """When the last session ended."""
    unfinished: dict[str, Unfinished] = field(default_factory=dict)
    completed: set[str] = field(default_factory=set)
    looked_at: dict[str, int] = field(default_factory=dict)
    """Times an entity was looked at and not chosen."""
    eaten: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Plays by genre, decayed to a moment."""

    def satiation(self, genre: str, at_ms: int, half_days: float) -> float:
        """Recent plays of a genre: each counts one, and half of that after `half_days`."""
        level, since_ms = self.eaten.get(genre, (0.0, at_ms))
        return level * decayed(max(0, at_ms - since_ms), half_days)

    def eat(self, genres: tuple[str, ...], at_ms: int, half_days: float) -> None:
        """A play; entities of several genres sate each with their share."""
        for genre in genres:
            level = self.satiation(genre, at_ms, half_days)
            self.eaten[genre] = (level + 1.0 / len(genres), at_ms)

    def remember_session(self, life: LifeConfig, gain: float) -> None:
        self.satisfaction += life.memory * (gain - self.satisfaction)

    def end_day(self, world: World, chance: Chance, *, visited: bool) -> None:
        """Taste drifts, back to where it began in the long run; the disappointed may leave."""
        life = world.config.life
        kept = 0.5 ** (1.0 / life.drift_days)
        step = life.drift * math.sqrt(1.0 - kept * kept)
        deviation_K = world.tastes.person_deviation_K
        drawn_K = np.array([chance.normal("drift", k) for k in range(len(deviation_K))])
        self.taste_K = (
            self.base_K + kept * (self.taste_K - self.base_K) + step * deviation_K * drawn_K
        )
        hazard = life.leave * math.exp(-life.leave_content * self.satisfaction)
        self.left = visited and chance.happens(hazard, "leave")


def decayed(elapsed_ms: int, half_days: float) -> float:
    """What is left of 1 after a time."""
    return float(0.5 ** (elapsed_ms / DAY_MS / half_days))


def new_member(world: World, chance: Chance, number: int, user_id: str) -> Member:
    """A member like some person of the data, but not the same."""
    life, own = world.config.life, chance.below("member", number)
    tastes = world.tastes
    person = int(own.uniform("person") * world.data.people)
    noise_K = np.array([own.normal("noise", k) for k in range(tastes.person_UK.shape[1])])
    base_K = tastes.person_UK[person] + life.noise * tastes.person_deviation_K * noise_K
    return Member(
        number=number,
        user_id=user_id,
        person=person,
        base_K=base_K,
        taste_K=base_K,
        # Its mean over members is 1, whatever the spread.
        activity=math.exp(life.activity * own.normal("activity") - life.activity**2 / 2),
    )
