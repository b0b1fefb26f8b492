"""Premieres: entities that come to the catalog while members visit."""

from pagecast.simulator.chance import Chance
from pagecast.simulator.events import timestamp
from pagecast.simulator.world import World
from pagecast.v1 import catalog_pb2


def premieres(
    world: World, chance: Chance, prefix: str, day: int, at_ms: int
) -> list[catalog_pb2.CatalogChange]:
    """The premieres of a day, which the world knows from now on; none without genres."""
    if not world.genre_counts:
        return []
    changes = []
    for number in range(world.config.launches.a_day):
        entity_id = f"{prefix}-{day}-{number}"
        genres = _genres(world, chance.below("premiere", day, number))
        world.launch(entity_id, genres, at_ms)
        entity = catalog_pb2.Entity(
            entity_id=entity_id,
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=f"Premiere {day}-{number} (simulated)",
            genres=genres,
            released_at=timestamp(at_ms),
        )
        changes.append(
            catalog_pb2.CatalogChange(occurred_at=timestamp(at_ms), upsert_entity=entity)
        )
    return changes


def _genres(world: World, chance: Chance) -> list[str]:
    left, drawn = dict(world.genre_counts), []
    for number in range(min(world.config.launches.genres, len(left))):
        drawn.append(chance.pick(left, "genre", number))
        del left[drawn[-1]]
    return drawn
