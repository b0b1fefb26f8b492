"""Sets of entities as bits: 64 entities per word, so that rules are combined a word at a time.

At 100,000 entities that costs a tenth of what arrays of bool would (benchmarks/serve.md). Bits past
the last entity are never set.

Letters in names: N entities, W words of 64 of them, X sets, I entities that are asked about.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pagecast.rules.predicates import Indices, Mask

Words: TypeAlias = npt.NDArray[np.uint64]

WORD_BITS = 64
_ONE = np.uint64(1)
_LITTLE_ENDIAN = "<u8"
"""Fixed, so that the digest of a page's rules is the same on every machine."""


def words_of(entities: int) -> int:
    """How many words hold so many entities."""
    return -(-entities // WORD_BITS)


def empty(entities: int) -> Words:
    return np.zeros(words_of(entities), _LITTLE_ENDIAN)


def pack(mask_N: Mask) -> Words:
    """`mask_N` as words [W]."""
    packed = np.packbits(mask_N, bitorder="little")
    words_W = empty(len(mask_N))
    words_W.view(np.uint8)[: len(packed)] = packed
    return words_W


def unpack(words_W: Words, entities: int) -> Mask:
    """The set as a new bool array [N]."""
    bits_N = np.unpackbits(words_W.view(np.uint8), count=entities, bitorder="little")
    return bits_N.view(np.bool_)


def members(words_W: Words, entities: int) -> Indices:
    """The entities of the set, in ascending order."""
    return np.flatnonzero(unpack(words_W, entities))


def sizes(words_XW: Words) -> Indices:
    """How many entities each set [X] holds; for a single set the shape is []."""
    sizes_X: Indices = np.bitwise_count(words_XW).sum(axis=-1, dtype=np.int64)
    return sizes_X


def holds(words_XW: Words, entity: int) -> Mask:
    """Which of the sets [X] hold the entity."""
    bit = _ONE << np.uint64(entity % WORD_BITS)
    holds_X: Mask = (words_XW[..., entity // WORD_BITS] & bit) != 0
    return holds_X


def held(words_XW: Words, entities_I: Indices) -> Mask:
    """Which of the entities each set holds: [X, I], or [I] for a single set."""
    bits_I = _ONE << (entities_I % WORD_BITS).astype(np.uint64)
    held_XI: Mask = (words_XW[..., entities_I // WORD_BITS] & bits_I) != 0
    return held_XI


def add(words_W: Words, entities_I: Indices) -> None:
    """Puts entities into the set. The cost depends on their number, not on the catalog's size."""
    bits_I = _ONE << (entities_I % WORD_BITS).astype(np.uint64)
    np.bitwise_or.at(words_W, entities_I // WORD_BITS, bits_I)


def remove(words_W: Words, entities_I: Indices) -> None:
    """Takes entities out of the set."""
    bits_I = _ONE << (entities_I % WORD_BITS).astype(np.uint64)
    np.bitwise_and.at(words_W, entities_I // WORD_BITS, ~bits_I)


def of(entities_I: Indices, entities: int) -> Words:
    """The set [W] of some entities."""
    words_W = empty(entities)
    add(words_W, entities_I)
    return words_W


def first_held(words_W: Words, ordered_I: Indices, most: int) -> Indices:
    """The first `most` of `ordered_I` that the set holds, in that order.

    Looks at no more of a long order than necessary.
    """
    found: list[Indices] = []
    begin, length = 0, 4 * most
    while begin < len(ordered_I) and most > 0:
        part_I = ordered_I[begin : begin + length]
        part_I = part_I[held(words_W, part_I)][:most]
        found.append(part_I)
        most -= len(part_I)
        begin, length = begin + length, 2 * length
    return np.concatenate(found) if found else ordered_I[:0]
