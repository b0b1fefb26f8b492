"""Labelled rows about the walks of `factories_trainer`: which genre somebody walks along."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.factories_trainer import GENRES, entity_id, walk

USERS = 60


def asked_ms(user: int, steps: int = 5) -> int:
    """When a row is of: at the moment of a step, so that neither it nor a later one is known."""
    return walk(user)[2 * steps].occurred_at.ToMilliseconds()


def genre_of(user: int) -> int:
    return int(walk(user)[0].play.entity_id.removeprefix("e")) % 3


def class_rows() -> list[dict[str, object]]:
    """Which genre: one row a user."""
    return [
        {"user_id": f"u{user}", "at": asked_ms(user), "label": GENRES[genre_of(user)]}
        for user in range(USERS)
    ]


def entity_rows() -> list[dict[str, object]]:
    """Whether an entity is of that genre: three rows a user."""
    return [
        {
            "user_id": f"u{user}",
            "at": asked_ms(user),
            "entity_id": entity_id(7 * user + number),
            "label": (7 * user + number) % 3 == genre_of(user),
        }
        for user in range(USERS)
        for number in range(3)
    ]


def written(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
