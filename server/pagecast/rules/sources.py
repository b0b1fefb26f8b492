"""Candidates of the rows that have a source instead of a predicate.

Letters in names: W words of 64 entities of the snapshot.
"""

import numpy as np

from pagecast.rules import bitsets
from pagecast.rules.bitsets import Words
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.predicates import Indices


def popular(ranking: Indices, eligible_W: Words, entities_max: int) -> Indices:
    """POPULAR: the eligible entities with the highest time-decayed counts, best first.

    `ranking` holds the indices of entities with counts, best first.
    """
    return bitsets.first_held(eligible_W, ranking, entities_max)


def recent(catalog: CompiledCatalog, at_ms: int, eligible_W: Words, entities_max: int) -> Indices:
    """RECENT: the eligible entities released last but not after `at_ms`, newest first."""
    indices, before_ms = catalog.newest_released
    # Entities that are not out yet come before the rest.
    released = indices[np.searchsorted(before_ms, -at_ms, side="left") :]
    return bitsets.first_held(eligible_W, released, entities_max)


def newest(indices: Indices, offered_W: Words, entities_max: int) -> Indices:
    """The first `entities_max` of `indices` (newest first) that are offered, watched or not.

    For CONTINUE, of the entities with a resume position. For BECAUSE, of the entities a row may be
    about: an argument's title is shown, so it must itself be allowed on this page.
    """
    return bitsets.first_held(offered_W, indices, entities_max)


def like(catalog: CompiledCatalog, argument: int, eligible_W: Words) -> Words:
    """BECAUSE: entities [W] that share a genre with the argument, itself excluded."""
    like_W = catalog.sharing_genre(argument)
    like_W &= eligible_W
    bitsets.remove(like_W, np.array([argument]))
    return like_W
