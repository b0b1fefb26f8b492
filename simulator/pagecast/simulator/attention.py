"""Two-dimensional attention: what of a screen is looked at. Pure functions."""

from collections.abc import Iterator

from pagecast.simulator.chance import Chance
from pagecast.simulator.config import AttentionConfig
from pagecast.simulator.page import Place, Screen, ShownPage


def glance(config: AttentionConfig, row: int, position: int) -> float:
    """Chance that a place of a screen is looked at; `row` and `position` are from its top left."""
    return config.row_decay**row * config.position_decay**position


def looked_at(config: AttentionConfig, screen: Screen, chance: Chance) -> list[Place]:
    """The places that are looked at, each drawn by itself.

    The draw is the entity's: where it stands changes the chance, not the luck.
    """
    return [
        place
        for place in screen.places
        if chance.happens(
            glance(config, place.row - screen.row, place.position - screen.position),
            "look",
            place.entity_id,
        )
    ]


def screens(config: AttentionConfig, page: ShownPage) -> Iterator[Screen]:
    """The screens of a page from top to bottom, as far as anybody scrolls."""
    tops = range(0, len(page.rows), config.viewport_rows)[: config.screens_max]
    for top in tops:
        yield page.window(top, 0, config.viewport_rows, config.viewport_entities)


def sideways(config: AttentionConfig, page: ShownPage, row: int) -> Screen:
    """What a row shows when it is moved on by a screen; empty if it has no more."""
    return page.window(row, config.viewport_entities, 1, config.viewport_entities)
