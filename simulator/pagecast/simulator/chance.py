"""Chance that depends on what is drawn and on nothing else.

A draw is a hash of the seed and a key (member, day, session, entity...): no generator has a state,
so the order of draws, threads and what a page holds change no other draw. Two runs that show a
member different pages draw the same about every entity that stands on both.
"""

import math
from collections.abc import Mapping
from hashlib import blake2b
from statistics import NormalDist

_STANDARD = NormalDist()
_BITS = 53
"""Of a float's mantissa."""

Key = str | int
"""A part of a key."""


class Chance:
    """Draws below a seed and a key."""

    def __init__(self, *key: Key) -> None:
        self._hash = blake2b(_written(key), digest_size=8)

    def below(self, *key: Key) -> "Chance":
        """The draws below a longer key."""
        child = Chance.__new__(Chance)
        child._hash = self._hash.copy()
        child._hash.update(_written(key))
        return child

    def uniform(self, *key: Key) -> float:
        """Between 0 and 1, both excluded."""
        drawn = self._hash.copy()
        drawn.update(_written(key))
        number = int.from_bytes(drawn.digest(), "big") >> (64 - _BITS)
        return (number + 0.5) / (1 << _BITS)

    def number(self, *key: Key) -> int:
        """A whole number below 2^63, for others' generators."""
        drawn = self._hash.copy()
        drawn.update(_written(key))
        return int.from_bytes(drawn.digest(), "big") >> 1

    def happens(self, probability: float, *key: Key) -> bool:
        """True with this probability; what happens at one also happens at any greater one."""
        return self.uniform(*key) < probability

    def normal(self, *key: Key) -> float:
        """Of mean 0 and deviation 1."""
        return _STANDARD.inv_cdf(self.uniform(*key))

    def gumbel(self, *key: Key) -> float:
        """Of location 0 and scale 1: the greatest of utilities with it is a logit choice."""
        return -math.log(-math.log(self.uniform(*key)))

    def exponential(self, mean: float, *key: Key) -> float:
        return -mean * math.log(self.uniform(*key))

    def poisson(self, mean: float, most: int, *key: Key) -> int:
        """A count, cut off at `most`."""
        left, count = self.uniform(*key), 0
        share = math.exp(-mean)
        while left > share and count < most:
            left -= share
            count += 1
            share *= mean / count
        return count

    def pick(self, weights: Mapping[str, float], *key: Key) -> str:
        """One of the names, each with its weight's share as probability; some weight is above 0."""
        left, last = self.uniform(*key) * math.fsum(weights.values()), ""
        for name, weight in weights.items():
            if weight > 0:
                left, last = left - weight, name
                if left < 0:
                    break
        return last


def _written(key: tuple[Key, ...]) -> bytes:
    """Unambiguous: each part with its kind and length."""
    return b"".join(
        f"{'i' if isinstance(part, int) else 's'}{len(text)}:{text}".encode()
        for part in key
        for text in (str(part),)
    )
