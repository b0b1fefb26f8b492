"""Where, when and on which devices entities may be placed: windows and devices as columns.

Letters in names: N entities, W words of 64 of them, V windows of all of them.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.kept_sets import KeptSets
from pagecast.rules.predicates import Indices, Mask, positions_by_name

BEGINNING_MS, END_MS = np.iinfo(np.int64).min, np.iinfo(np.int64).max
"""What a window without a beginning or an end is compared as."""

EVERYWHERE = ""
"""The country of a window that counts in every country."""

SETS_KEPT_MAX = 64
"""Sets kept of each kind, by country and time or by device: 8 MB at a million entities."""


class Availability:
    """Availability of N entities. Immutable; sets are kept once they have been asked for."""

    def __init__(self, entities: Sequence[CatalogEntity]) -> None:
        windows = [
            (i, window) for i, entity in enumerate(entities) for window in entity.availability
        ]
        self._always_N = np.array([not e.availability for e in entities], bool)
        self._entity_V = np.array([i for i, _ in windows], np.int64)
        self._from_V = _moments((w.from_ms for _, w in windows), BEGINNING_MS)
        self._until_V = _moments((w.until_ms for _, w in windows), END_MS)
        self._windows_of = positions_by_name((w.country, at) for at, (_, w) in enumerate(windows))
        self._every_device_N = np.array([not e.devices for e in entities], bool)
        self._entities_of = positions_by_name(
            (d, i) for i, e in enumerate(entities) for d in e.devices
        )
        self._bounds_of = {name: self._bounds(name) for name in (EVERYWHERE, *self._windows_of)}
        self._open = KeptSets(SETS_KEPT_MAX)
        self._made_for = KeptSets(SETS_KEPT_MAX)

    def here_and_now(self, country: str, at_ms: int) -> Words:
        """Entities [W] without windows, or with an open one that counts in the country.

        For an unknown country ("") only windows of every country count. The set changes only when a
        window opens or closes, so it is found once for all times between two such changes.
        """
        country = country if country in self._windows_of else EVERYWHERE
        before = int(np.searchsorted(self._bounds_of[country], at_ms, side="right"))
        return self._open.get((country, before), lambda: self._find_open(country, before))

    def on(self, device: str) -> Words:
        """Entities [W] made for every device or for this one; if it is "", only the former."""
        device = device if device in self._entities_of else ""
        return self._made_for.get(device, lambda: self._find_made_for(device))

    def _windows_in(self, country: str) -> Indices:
        return np.concatenate([self._windows_of.get(name, _NONE) for name in {EVERYWHERE, country}])

    def _bounds(self, country: str) -> Indices:
        windows = self._windows_in(country)
        return np.unique(np.concatenate([self._from_V[windows], self._until_V[windows]]))

    def _find_open(self, country: str, before: int) -> Words:
        """What is open between two bounds, of which the first has `before - 1` bounds before it."""
        at_ms = BEGINNING_MS if before == 0 else self._bounds_of[country][before - 1]
        windows = self._windows_in(country)
        open_V = (self._from_V[windows] <= at_ms) & (at_ms < self._until_V[windows])
        return _with(self._always_N, self._entity_V[windows[open_V]])

    def _find_made_for(self, device: str) -> Words:
        return _with(self._every_device_N, self._entities_of.get(device, _NONE))


_NONE: Indices = np.zeros(0, np.int64)


def _with(mask_N: Mask, more: Indices) -> Words:
    all_N = mask_N.copy()
    all_N[more] = True
    return bitsets.pack(all_N)


def _moments(values: Iterable[int | None], open_end: int) -> Indices:
    return np.array([open_end if value is None else value for value in values], np.int64)
