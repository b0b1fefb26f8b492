"""What a prompt says beside the history: which new and live entities there are just now.

Chosen here once, for training and serving alike: from a catalog and a request alone, so that a past
request is told of nothing that was released after it (docs/papers.md 1.6).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot

SUMMARIES_MAX = 16
"""The most `ContextConfig.summaries_max` may be: every position costs a prompt's prefill about a
tenth of a millisecond, and is never cached."""

INJECTED_MAX = 32
"""The most `ContextConfig.new_max` and `live_max` may be, for the same reason."""

CONTEXT_POSITIONS_MAX = 3 * SUMMARIES_MAX + 2 * INJECTED_MAX
"""Positions of the longest context there can be: pages' caches have room for them."""

DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class ContextConfig:
    """How much stands between history and request. Part of a model, which was trained with it."""

    summaries_max: int = 4
    """Genres, kinds and rows of what has left the history's window, the strongest of each."""
    new_max: int = 4
    """Newest entities of the catalog; each is a position of every prompt that is never cached."""
    new_days: int = 14
    """How many days after its release an entity is new."""
    live_max: int = 4
    """Live events that are on."""

    def __post_init__(self) -> None:
        if not 0 <= self.summaries_max <= SUMMARIES_MAX:
            raise ValueError(f"summaries_max must be between 0 and {SUMMARIES_MAX}")
        if not (0 <= self.new_max <= INJECTED_MAX and 0 <= self.live_max <= INJECTED_MAX):
            raise ValueError(f"new_max and live_max must be between 0 and {INJECTED_MAX}")
        if self.new_days < 0:
            raise ValueError("new_days must not be negative")


NO_CONTEXT = ContextConfig(summaries_max=0, new_max=0, new_days=0, live_max=0)
"""A prompt of profile, history and request alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """Ids of the entities a prompt names: the newest first, and what is on now."""

    new: tuple[str, ...] = ()
    live: tuple[str, ...] = ()


NOTHING_INJECTED = Injected()


def inject(
    catalog: CatalogSnapshot, *, at_ms: int, country: str, config: ContextConfig
) -> Injected:
    """The newest entities and the live events of a moment, none of them twice.

    New is what was released within `new_days` before the moment, the latest first, ties by id. Live
    is a live event with an availability window that is open at the moment in the country, the one
    that began last first. What is retired is neither.
    """
    live = _first(_live(catalog, at_ms, country), config.live_max)
    fresh = (entity_id for entity_id in _new(catalog, at_ms, config) if entity_id not in live)
    return Injected(new=_first(fresh, config.new_max), live=live)


def prepare(catalog: CatalogSnapshot) -> None:
    """Sorts what `inject` looks up: once per catalog, when it is taken up, not in a request."""
    _ = catalog.releases, catalog.live_windows


def _new(catalog: CatalogSnapshot, at_ms: int, config: ContextConfig) -> Iterator[str]:
    releases = catalog.releases
    oldest_ms = at_ms - config.new_days * DAY_MS
    begin = int(np.searchsorted(releases.before_ms_M, -at_ms, side="left"))
    end = int(np.searchsorted(releases.before_ms_M, -oldest_ms, side="right"))
    return iter(releases.entity_ids[begin:end])


def _live(catalog: CatalogSnapshot, at_ms: int, country: str) -> Iterator[str]:
    for entity_id, window in catalog.live_windows:
        here = window.country in ("", country)
        begun = window.from_ms is None or window.from_ms <= at_ms
        if here and begun and (window.until_ms is None or at_ms < window.until_ms):
            yield entity_id


def _first(entity_ids: Iterator[str], count: int) -> tuple[str, ...]:
    """The first `count` different ones."""
    found: dict[str, None] = {}
    while len(found) < count and (entity_id := next(entity_ids, None)) is not None:
        found[entity_id] = None
    return tuple(found)
