"""Logged pages whose worth is known by construction: who comes for comedies likes comedies.

Members have played one genre, see pages of six entities, and play every one of that genre.
"""

import random
from pathlib import Path

from trainer.factories_logged import PagesWorld

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.config import AlignConfig, RewardModelConfig
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.pages.shown import ShownPage

TABLE = RewardConfig()

MEMBERS = 80

RewardedWorld = tuple[Policy, tuple[ShownPage, ...]]
"""A champion and the pages that were logged."""

REWARDED = AlignConfig(
    reward=RewardModelConfig(
        epochs=60.0,
        steps_max=80,
        learning_rate=1e-2,
        preference_learning_rate=1e-2,
        dropout=0.0,
        pages_per_batch=16,
        hidden=16,
    ),
    gate_lift_min=0.0,
)
"""Learns what members like in seconds."""

FILMS = 36

GENRES = 3


def films_of(genre: int) -> list[str]:
    return [f"e{number}" for number in range(FILMS) if number % GENRES == genre]


def rewarding_world(root: Path, members: int = 80, flood: int = 0) -> PagesWorld:
    """One page of each member; `flood` more of one, who plays whatever is no comedy."""
    world, draw = PagesWorld(root), random.Random(5)
    for number in range(members):
        _visit(world, draw, f"u{number}", genre=number % GENRES)
    for _ in range(flood):
        _visit(world, draw, "flood", genre=1, liked=0)
    return world.write()


def _visit(
    world: PagesWorld, draw: random.Random, user: str, genre: int, liked: int | None = None
) -> None:
    known = films_of(genre)[:2]
    for film in known:
        world.play(user, "", film, 30.0)
    offered = [f"e{n}" for n in range(FILMS) if f"e{n}" not in known]
    shown = draw.sample(offered, 6)
    page = world.serve(user, {"top": shown[:3], "popular": shown[3:]})
    world.see(user, page, *shown)
    for film in shown:
        if int(film[1:]) % GENRES == (genre if liked is None else liked):
            world.play(user, page, film, 60.0)
    world.wait(40)
