"""How far two distributions are apart, beyond what chance explains."""

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence

BUCKETS = 256
"""Entities are counted by hash: a window has a fixed size, whatever the catalog's. What moves to
or from an entity moves in its bucket; with fewer, moves begin to hide each other."""


def buckets_of(entities: Mapping[str, int]) -> list[int]:
    """Counts of entities, by bucket."""
    counts = [0] * BUCKETS
    for entity_id, count in entities.items():
        counts[zlib.crc32(entity_id.encode()) % BUCKETS] += count
    return counts


def divergence(reference: Sequence[int], current: Sequence[int]) -> float:
    """The Jensen-Shannon divergence of two counts, in bits from 0 (alike) to 1 (nothing shared).

    Less what two samples of one distribution show by chance: k outcomes counted n1 and n2 times
    are expected to be (k - 1) / (8 ln 2) * (1 / n1 + 1 / n2) apart. 0 if one of them is empty.
    """
    total_reference, total_current = sum(reference), sum(current)
    if not total_reference or not total_current:
        return 0.0
    bits, outcomes = 0.0, 0
    for first, second in zip(reference, current, strict=True):
        if first or second:
            outcomes += 1
            p, q = first / total_reference, second / total_current
            middle = (p + q) / 2
            bits += _term(p, middle) / 2 + _term(q, middle) / 2
    chance = (outcomes - 1) / (8 * math.log(2)) * (1 / total_reference + 1 / total_current)
    return max(0.0, bits - chance)


def aligned(first: Mapping[str, int], second: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Counts by name as two lists of the same order."""
    names: Iterable[str] = sorted(first.keys() | second.keys())
    pairs = [(first.get(name, 0), second.get(name, 0)) for name in names]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _term(share: float, middle: float) -> float:
    return share * math.log2(share / middle) if share else 0.0
