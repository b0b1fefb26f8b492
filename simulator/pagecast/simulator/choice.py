"""What a member wants, and which of the entities they look at they choose.

A logit choice among what is looked at and nothing: the greatest sum of utility and a Gumbel draw.
"""

from collections.abc import Mapping

from pagecast.simulator.chance import Chance
from pagecast.simulator.intent import Intent
from pagecast.simulator.member import Member, decayed
from pagecast.simulator.world import Truth, World


def fit(world: World, member: Member, truth: Truth | None) -> float:
    """How well an entity suits a member at any time, in deviations of taste."""
    if truth is None:
        return world.config.appetite.unknown
    return world.affinity(member.taste_K, truth)


def utility(world: World, member: Member, intent: Intent, entity_id: str, at_ms: int) -> float:
    """How much an entity is wanted now."""
    appetite, truth = world.config.appetite, world.by_id.get(entity_id)
    wanted = appetite.taste * fit(world, member, truth)
    if truth is not None:
        sated = sum(
            member.satiation(genre, at_ms, appetite.satiation_days) for genre in truth.genres
        )
        wanted += appetite.appeal * truth.appeal + world.novelty(truth, at_ms)
        wanted -= appetite.genre_satiation * sated
        if intent.genre in truth.genres:
            wanted += world.config.intent.genre_bonus
    if entity_id in member.completed:
        wanted -= appetite.completed
    looked_at = min(member.looked_at.get(entity_id, 0), appetite.fatigue_max)
    return wanted - appetite.fatigue * looked_at + _pull(world, member, intent, entity_id, at_ms)


def _pull(world: World, member: Member, intent: Intent, entity_id: str, at_ms: int) -> float:
    """The pull of what is unfinished: strong in a session begun for it, weaker with the days."""
    appetite, unfinished = world.config.appetite, member.unfinished.get(entity_id)
    if unfinished is None:
        return 0.0
    pull = appetite.resume + (appetite.resume_intended if intent.resume else 0.0)
    return pull * decayed(max(0, at_ms - unfinished.at_ms), appetite.resume_days)


def choose(
    utilities: Mapping[str, float], nothing: float, chance: Chance, screen: tuple[int, int] = (0, 0)
) -> str | None:
    """The entity that is chosen, or None; `chance` is the page's.

    Each has its share of exp(utility) as probability, and nothing has that of `nothing`, drawn for
    the screen at this row and position. An entity's draw is the same wherever it stands; with the
    same draws, one that is wanted more is never chosen less.
    """
    best, chosen = nothing + chance.gumbel("nothing", *screen), None
    for entity_id, wanted in utilities.items():
        value = wanted + chance.gumbel("want", entity_id)
        if value > best:
            best, chosen = value, entity_id
    return chosen
