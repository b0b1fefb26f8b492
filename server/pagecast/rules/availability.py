"""Where, when and on what entities may be placed: windows and devices as columns.

Letters in names: N entities, W windows of all of them.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pagecast.featurestore.snapshot import CatalogEntity
from pagecast.rules.predicates import Indices, Mask, positions_by_name

BEGINNING_MS, END_MS = np.iinfo(np.int64).min, np.iinfo(np.int64).max
"""What an open end of a window is compared as."""

EVERYWHERE = ""
"""The country of a window that counts in every country."""


class Availability:
    """Availability of N entities. Immutable."""

    def __init__(self, entities: Sequence[CatalogEntity]) -> None:
        windows = [
            (i, window) for i, entity in enumerate(entities) for window in entity.availability
        ]
        self._always_N = np.array([not e.availability for e in entities], bool)
        self._entity_W = np.array([i for i, _ in windows], np.int64)
        self._from_W = _moments((w.from_ms for _, w in windows), BEGINNING_MS)
        self._until_W = _moments((w.until_ms for _, w in windows), END_MS)
        self._windows_of = positions_by_name((w.country, at) for at, (_, w) in enumerate(windows))
        self._every_device_N = np.array([not e.devices for e in entities], bool)
        self._entities_of = positions_by_name(
            (d, i) for i, e in enumerate(entities) for d in e.devices
        )

    def here_and_now(self, country: str, at_ms: int) -> Mask:
        """Entities [N] without windows, or with an open one that counts in the country.

        An unknown country ("") is in no country's window.
        """
        available_N = self._always_N.copy()
        for name in {EVERYWHERE, country}:
            windows = self._windows_of.get(name, _NONE)
            open_W = (self._from_W[windows] <= at_ms) & (at_ms < self._until_W[windows])
            available_N[self._entity_W[windows[open_W]]] = True
        return available_N

    def on(self, device: str) -> Mask:
        """Entities [N] made for every device or for this one; an unknown one ("") is neither."""
        playable_N = self._every_device_N.copy()
        playable_N[self._entities_of.get(device, _NONE)] = True
        return playable_N


_NONE: Indices = np.zeros(0, np.int64)


def _moments(values: Iterable[int | None], open_end: int) -> Indices:
    return np.array([open_end if value is None else value for value in values], np.int64)
