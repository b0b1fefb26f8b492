"""Step 9 of the life of a model: people whose histories are kept come over one by one.

A new champion has no keys and values of anybody's history, so each person's first page by it costs
a whole prompt. If all came over at once, a server at half of its peak would be nearly full, with a
model to load beside it, and pages would wait. So while others are being served, who would lose a
kept history comes over at a moment of their own within `SUCCESSION_S_MAX`; everybody else is served
by the new champion at once (docs/adr/0020-handing-people-over.md).
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pagecast.engine.served_model import ServedModel

SUCCESSION_S_MAX = 20.0
"""Until the last person has come over. A prompt of 260 positions costs 60 ms of a core: with ten
kept histories coming back a second, three of them a second that come over take a fifth of it."""


@dataclass(frozen=True, kw_only=True)
class Succession:
    """From the champion before, bound to the catalog of now, to the one of now."""

    before: ServedModel
    began_s: float
    """By the monotonic clock."""

    @classmethod
    def begin(cls, before: ServedModel) -> Self:
        """Now."""
        return cls(before=before, began_s=time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.began_s >= SUCCESSION_S_MAX

    def stays(self, user_id: str, version: str, kept: Callable[[str], bool]) -> bool:
        """Whether the page is still the old champion's: `version` is the new one's, `kept` says
        whether the person's history is kept for a version."""
        elapsed_s = time.monotonic() - self.began_s
        if elapsed_s >= moment_s(user_id, version):
            return False
        return kept(self.before.version) and not kept(version)


def moment_s(user_id: str, version: str) -> float:
    """Seconds after the exchange at which a person comes over: the same in every process, another
    with every model."""
    digest = hashlib.blake2b(f"{version}/{user_id}".encode(), digest_size=8).digest()
    return SUCCESSION_S_MAX * int.from_bytes(digest) / 2**64
