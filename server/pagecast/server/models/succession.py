"""Step 9 of the life of a model: people whose histories are kept come over one by one.

A new champion has no keys and values of anybody's history, so each person's first page by it would
cost a whole prompt, and a server at half its peak would be nearly full of them, with a model to
load besides. So while others are being served, a person who would lose a kept history gets another
page by the previous champion; after it the history is fed to the new one in the time pages leave
free (`bringing_over`), and the next page is the new one's. People who are not back in time come
over at moments of their own within `SUCCESSION_S_MAX`; all others are served by the new champion at
once (docs/adr/0020-handing-people-over.md, docs/adr/0022-loading-steps-back.md).
"""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from pagecast.engine.bundles.served_model import ServedModel

SUCCESSION_S_MAX = 20.0
"""Until the last person has come over. A prompt of 260 positions costs 60 ms of a core: a core that
is half busy feeds 160 of them in this time."""

OWN_MOMENT_S_MIN = SUCCESSION_S_MAX / 2
"""Until then nobody comes over with an unfed history: those who are back by then are spared it."""

QUIET_S = 1.0
"""A server that has made no page for this long has time for a whole prompt, which delays nobody."""


@dataclass(frozen=True, kw_only=True)
class Succession:
    """From the previous champion, bound to the current catalog, to the current champion."""

    before: ServedModel
    began_s: float
    """By the monotonic clock."""

    shown: threading.Event = field(default_factory=threading.Event)
    """Whether a page has been the new champion's: the first after the exchange is, whoever asks, so
    that a promotion shows even if everybody's history is kept."""

    @classmethod
    def begin(cls, before: ServedModel) -> Self:
        """Begins now."""
        return cls(before=before, began_s=time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() - self.began_s >= SUCCESSION_S_MAX

    def stays(self, user_id: str, version: str, kept: Callable[[str], bool], idle_s: float) -> bool:
        """Whether the page is still the previous champion's. `version` is the new one's, `kept`
        says whether the person's history is kept for a version, and `idle_s` how long no page has
        been in a slot."""
        stays = self._spared(user_id, version, kept) and not self._takes(idle_s)
        if not stays:
            self.shown.set()
        return stays

    def _spared(self, user_id: str, version: str, kept: Callable[[str], bool]) -> bool:
        if time.monotonic() - self.began_s >= moment_s(user_id, version):
            return False
        return kept(self.before.version) and not kept(version)

    def _takes(self, idle_s: float) -> bool:
        return idle_s >= QUIET_S or not self.shown.is_set()


def moment_s(user_id: str, version: str) -> float:
    """Seconds after the exchange at which a person comes over, fed or not: the same in every
    process, different for every model."""
    digest = hashlib.blake2b(f"{version}/{user_id}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest) / 2**64
    return OWN_MOMENT_S_MIN + (SUCCESSION_S_MAX - OWN_MOMENT_S_MIN) * share
