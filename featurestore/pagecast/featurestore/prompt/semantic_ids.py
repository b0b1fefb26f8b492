"""Semantic IDs: an entity is named by the codes of what it is, not by a number of its own.

A codebook (docs/papers.md 2.2) has three levels: each codes what the levels before it leave over.
Entities that share all three codes are told apart by a collision digit. An entity that is not in
the codebook gets its ID from its metadata, at once; trainer and server share this one class.

Letters: N entities of a catalog, V known ones, X new ones, L levels, K codes of a level, S width of
what is coded.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

LEVELS = 3
"""Codes of an entity before its digit, as GenRec has them (docs/papers.md 2.2)."""

DIGITS_MAX = 16
"""Entities that may share three codes. Further ones get the nearest codes that have room, so IDs
grow no longer however many entities look alike."""

TOKENS_OF_ENTITY_MAX = LEVELS + 1

NO_TOKEN = -1
"""In place of a digit that tells nothing apart."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Leaf = tuple[int, ...]


class CodebookError(ValueError):
    """The codebook cannot name what it was asked to; the message says the remedy."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Codebook:
    """`centroid_LKS`, and `code_VL` of the entities it was made from: three codes and a digit.

    V are a vocabulary's entities, in its order. Never changes, so it may be shared.
    """

    centroid_LKS: Floats
    code_VL: Ints

    def __post_init__(self) -> None:
        shape, codes = self.centroid_LKS.shape, self.code_VL
        if len(shape) != 3 or shape[0] != LEVELS or not np.isfinite(self.centroid_LKS).all():
            raise CodebookError(f"centroids must be finite, of {LEVELS} levels; are {shape}")
        if codes.ndim != 2 or codes.shape[1] != TOKENS_OF_ENTITY_MAX:
            raise CodebookError(f"codes must be {TOKENS_OF_ENTITY_MAX} for each entity")
        bound_L = np.array([*[shape[1]] * LEVELS, DIGITS_MAX])
        if ((codes < 0) | (codes >= bound_L)).any():
            raise CodebookError("a code is outside of its level")
        if len(np.unique(codes, axis=0)) != len(codes):
            raise CodebookError("two entities have one ID")

    @property
    def codes(self) -> int:
        """K."""
        return int(self.centroid_LKS.shape[1])

    @cached_property
    def version(self) -> str:
        """First 16 hexadecimal digits of SHA-256 over its numbers; IDs mean nothing without it."""
        sha = hashlib.sha256(np.ascontiguousarray(self.centroid_LKS, "<f4").tobytes())
        sha.update(np.ascontiguousarray(self.code_VL, "<i8").tobytes())
        return sha.hexdigest()[:16]

    def nearest(self, fused_XS: Floats) -> Ints:
        """`leaf_XL`: three codes each, every level the nearest to what is left over."""
        left_XS, leaf_XL = fused_XS, np.zeros((len(fused_XS), LEVELS), np.int64)
        for level, centroid_KS in enumerate(self.centroid_LKS):
            cross_XK = (centroid_KS**2).sum(1) - 2 * left_XS @ centroid_KS.T
            leaf_XL[:, level] = cross_XK.argmin(1)
            left_XS = left_XS - centroid_KS[leaf_XL[:, level]]
        return leaf_XL

    def assign(self, id_N: Ints, leaf_XL: Ints, fused_X: Sequence[Floats] | Floats) -> Ints:
        """`token_NL`: the IDs of a catalog's entities, no two alike, as indices of tokens.

        `id_N` are indices in the vocabulary (0: not in it); for those with 0, in their order,
        `leaf_XL` are the nearest codes and `fused_X` the vectors [S] they code. Known entities keep
        their codes. A new one gets the nearest codes and the next digit in the order of the
        catalog, so the same catalog gives the same IDs on every server. Entities that find no room
        come last and move to neighbouring codes. The digit is a token only where several share
        three codes. Raises CodebookError if no ID is left.
        """
        code_NL = np.zeros((len(id_N), TOKENS_OF_ENTITY_MAX), np.int64)
        code_NL[id_N > 0] = self.code_VL[id_N[id_N > 0] - 1]
        new_X = np.flatnonzero(id_N == 0)
        code_NL[new_X, :LEVELS], code_NL[new_X, LEVELS] = leaf_XL, self._digits(leaf_XL)
        outside_X = np.flatnonzero(code_NL[new_X, LEVELS] >= DIGITS_MAX)
        if len(outside_X):
            placed = [*self.code_VL.tolist(), *np.delete(code_NL[new_X], outside_X, 0).tolist()]
            taken = Counter(tuple(code_L[:LEVELS]) for code_L in placed)
            wanted: dict[bytes, Iterator[Leaf]] = {}
            for at in outside_X.tolist():
                alike = fused_X[at].tobytes()
                if alike not in wanted:
                    wanted[alike] = _offered(leaves(self.centroid_LKS, fused_X[at]))
                code_NL[new_X[at]] = place(taken, wanted[alike])
        return as_tokens(code_NL, self._shared(code_NL, new_X), self.codes)

    def _digits(self, leaf_XL: Ints) -> Ints:
        """After those of the leaf's known entities, and of the new ones before."""
        key_X = self._key(leaf_XL)
        order_X = np.argsort(key_X, kind="stable")
        sorted_X = key_X[order_X]
        rank_X = np.empty_like(order_X)
        rank_X[order_X] = np.arange(len(order_X)) - np.searchsorted(sorted_X, sorted_X)
        digit_X: Ints = rank_X + _counted(self._key(self.code_VL), key_X)
        return digit_X

    def _shared(self, code_NL: Ints, new_X: Ints) -> npt.NDArray[np.bool_]:
        """Which share three codes with a known entity, in the catalog or not, or with a new one."""
        key_N = self._key(code_NL)
        every = np.concatenate([self._key(self.code_VL), key_N[new_X]])
        shared_N: npt.NDArray[np.bool_] = _counted(every, key_N) > 1
        return shared_N

    def _key(self, code_XL: Ints) -> Ints:
        """Three codes as one number."""
        key_X: Ints = code_XL[:, :LEVELS] @ (self.codes ** np.arange(LEVELS))
        return key_X


def tokens_of_levels(codes: int) -> int:
    """Rows of a table of all tokens: K for each level, then the digits."""
    return LEVELS * codes + DIGITS_MAX


def level_tokens(level: int, codes: int) -> slice:
    """Where a level's tokens are in that table; level LEVELS is the digits'."""
    begin = level * codes
    return slice(begin, begin + (codes if level < LEVELS else DIGITS_MAX))


def as_tokens(code_NL: Ints, shared_N: npt.NDArray[np.bool_], codes: int) -> Ints:
    """Codes as indices of that table; NO_TOKEN for digits where nothing is shared."""
    token_NL = code_NL + np.arange(TOKENS_OF_ENTITY_MAX) * codes
    token_NL[~shared_N, LEVELS] = NO_TOKEN
    return token_NL


def leaves(centroid_LKS: Floats, fused_S: Floats, first: int | None = None) -> Iterator[Leaf]:
    """All combinations of codes as a greedy descent meets them: on each level the nearest first.

    The first is what is left over when each level takes its nearest. With `first`, only those that
    begin with this code.
    """
    if not len(centroid_LKS):
        yield ()
        return
    distance_K = ((centroid_LKS[0] - fused_S) ** 2).sum(1)
    order: Iterable[int] = np.argsort(distance_K, kind="stable").tolist()
    for code in order if first is None else (first,):
        for rest in leaves(centroid_LKS[1:], fused_S - centroid_LKS[0, code]):
            yield (code, *rest)


def _offered(wanted: Iterator[Leaf]) -> Iterator[Leaf]:
    """Each leaf as often as it may have room, for all that want the same: a leaf found full is not
    asked again, so that a thousand that look alike are not a million questions."""
    return (leaf for leaf in wanted for _ in range(DIGITS_MAX))


def place(taken: Counter[Leaf], wanted: Iterator[Leaf]) -> Leaf:
    """The first wanted leaf that has room, with its next digit; counts it as taken."""
    for leaf in wanted:
        digit = taken[leaf]
        if digit < DIGITS_MAX:
            taken[leaf] = digit + 1
            return (*leaf, digit)
    raise CodebookError("no semantic ID is left: train with more codes (model.codes)")


def _counted(among: Ints, key_X: Ints) -> Ints:
    """How often each key is among others."""
    ordered = np.sort(among)
    counted_X: Ints = np.searchsorted(ordered, key_X, "right") - np.searchsorted(ordered, key_X)
    return counted_X
