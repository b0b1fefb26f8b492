"""Candidates of the rows that have a source instead of a predicate.

Letters in names: N entities of the snapshot.
"""

from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.predicates import Indices, Mask


def popular(ranking: Indices, eligible_N: Mask, entities_max: int) -> Indices:
    """POPULAR: the eligible entities with the highest time-decayed counts, best first.

    `ranking` holds the indices of entities with counts, best first.
    """
    return ranking[eligible_N[ranking]][:entities_max]


def recent(catalog: CompiledCatalog, at_ms: int, eligible_N: Mask, entities_max: int) -> Indices:
    """RECENT: the eligible entities released last but not after `at_ms`, newest first."""
    indices, released_at_ms = catalog.newest_released
    released = indices[released_at_ms <= at_ms]
    return released[eligible_N[released]][:entities_max]


def newest(indices: Indices, offered_N: Mask, entities_max: int) -> Indices:
    """The first `entities_max` of `indices` (newest first) that are offered, watched or not.

    CONTINUE: of the entities with a resume position. BECAUSE: of the entities a row may be about;
    an argument's title is shown, so it must be one that could stand on this page itself.
    """
    return indices[offered_N[indices]][:entities_max]


def like(catalog: CompiledCatalog, argument: int, eligible_N: Mask) -> Mask:
    """BECAUSE: entities [N] that share a genre with the argument, which is not among them."""
    like_N = catalog.sharing_genre(argument)
    like_N &= eligible_N
    like_N[argument] = False
    return like_N
