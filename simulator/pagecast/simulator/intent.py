"""What a session is begun for, by time of day and device."""

import math
from dataclasses import dataclass

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import DAYPARTS
from pagecast.simulator.member import Member
from pagecast.simulator.world import DAY_MS, World

DAYPART_MS = DAY_MS // len(DAYPARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a member wants of a session."""

    device: str
    resume: bool
    """To finish something."""
    genre: str
    """The wanted genre; "" for looking around."""
    minutes: float
    """Time there is."""


def daypart(at_ms: int) -> str:
    return DAYPARTS[at_ms % DAY_MS // DAYPART_MS]


def intent_of(world: World, member: Member, chance: Chance, at_ms: int) -> Intent:
    """Draws an intent; `chance` is the session's."""
    config, part = world.config.intent, daypart(at_ms)
    device = chance.pick(config.devices[part], "device")
    resume = bool(member.unfinished) and chance.happens(config.resume[device], "resume")
    wants = not resume and bool(world.genre_counts) and chance.happens(config.genre, "genre")
    return Intent(
        device=device,
        resume=resume,
        genre=chance.pick(_wanted(world, member, part), "which") if wants else "",
        minutes=chance.exponential(config.minutes[device], "minutes"),
    )


def _wanted(world: World, member: Member, part: str) -> dict[str, float]:
    """Weight by genre: how common it is, how much the member likes it, what the hour is for.

    What the hour is for is the same for every seed.
    """
    config, common = world.config.intent, Chance("daypart", part)
    return {
        genre: count
        * math.exp(
            config.genre_taste * float(member.taste_K @ world.genre_factors[genre])
            + config.genre_daypart * common.normal(genre)
        )
        for genre, count in world.genre_counts.items()
    }
