"""How long a play goes on."""

import math
from dataclasses import dataclass

from pagecast.simulator.chance import Chance
from pagecast.simulator.choice import fit
from pagecast.simulator.member import Member, Unfinished
from pagecast.simulator.world import World

WATCH_MIN_MINUTES = 0.5
"""A play that is stopped at once has been seen to be the wrong one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One play."""

    minutes: float
    resume_minutes: float
    """Where it ended, from the entity's beginning."""
    completed: bool
    resumed: bool
    """It went on from where an earlier one had ended."""
    fit: float


def watch(
    world: World, member: Member, entity_id: str, minutes_left: float, chance: Chance
) -> Watched:
    """A member who likes it stays to the end, if there is time; others leave anywhere."""
    config, truth = world.config.watching, world.by_id.get(entity_id)
    whole = config.feature_minutes if truth is None else truth.minutes
    unfinished = member.unfinished.get(entity_id)
    begin = unfinished.minutes if unfinished is not None else 0.0
    suits = fit(world, member, truth)
    remaining = max(WATCH_MIN_MINUTES, whole - begin)
    stays = chance.happens(_sigmoid(config.completes + config.completes_fit * suits), "stays")
    wants = remaining if stays else remaining * chance.uniform("part")
    minutes = max(WATCH_MIN_MINUTES, min(wants, minutes_left))
    return Watched(
        minutes=min(minutes, remaining),
        resume_minutes=begin + min(minutes, remaining),
        completed=minutes >= remaining,
        resumed=unfinished is not None,
        fit=suits,
    )


def remember_play(
    world: World, member: Member, entity_id: str, watched: Watched, at_ms: int
) -> None:
    """What a play leaves in a member: something unfinished or completed, and satiation."""
    member.unfinished.pop(entity_id, None)
    if watched.completed:
        member.completed.add(entity_id)
    else:
        left = Unfinished(minutes=watched.resume_minutes, at_ms=at_ms)
        member.unfinished[entity_id] = left
    if (truth := world.by_id.get(entity_id)) is not None:
        member.eat(truth.genres, at_ms, world.config.appetite.satiation_days)


def rating(world: World, watched: Watched, chance: Chance) -> float:
    """Points from 0.5 to 5, in halves."""
    config = world.config.watching
    points = config.rating_mean + config.rating_fit * (watched.fit + chance.normal("points"))
    return min(5.0, max(0.5, round(points * 2) / 2))


def _sigmoid(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-logit))
