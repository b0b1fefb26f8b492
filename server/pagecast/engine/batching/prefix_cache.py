"""Keys and values of users' histories, kept so that a page feeds only what is new.

A prompt begins with what does not depend on the request (profile and history); the keys and values
of those positions are the same on the next page, up to the first position that was made from
something else. That is what is compared, position by position: the fields of the vocabulary, the
entity, and its version in the catalog. So a new event costs its own position; a late event or a
catalog change, everything from there on; a dropped oldest part, everything after the profile; and
no invalidation can be forgotten. Another model is another key. Where old steps share a position, it
is made from all of them: it differs if any of them does, and when a block of steps becomes groups.

Letters in names: T positions as encoded, F fields, P positions kept, Y caches of the model (keys,
then values), H key/value heads, K head width.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.engine.batching.prompt_inputs import positions_fed
from pagecast.engine.graph import FloatArray
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.encoding import EncodedPrompt
from pagecast.rules.predicates import Indices

PREFIX_BYTES_MAX = 256 << 20
"""All kept prefixes together. One of 260 positions of 6 layers with one key/value head takes 0.8 MB
as fp32, so about 300 users fit; one who comes back after being dropped pays one prefill."""

PREFIX_IDLE_SECONDS_MAX = 3600.0
"""A prefix unused for longer is dropped: it was made from what a person did, and is kept only as
long as it is of use."""

PREFIX_POSITIONS_MIN = 8
"""A shorter prefix is not kept: feeding it costs about as much as copying it."""

EntityVersion = tuple[str | int, ...] | None
"""An entity with its number and time of change in the catalog, and its semantic ID where it has
one; None for no known entity."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MadeFrom:
    """What the positions of a prompt were made from; equal parts give equal tokens.

    `compressed` counts the oldest steps, which are fed in groups.
    """

    entities: Sequence[EntityVersion]
    fields_TF: npt.NDArray[np.int64]
    compressed: int = 0

    @classmethod
    def of(
        cls,
        encoded: EncodedPrompt,
        snapshot: CatalogSnapshot,
        *,
        compressed: int = 0,
        token_NL: Indices | None = None,
    ) -> "MadeFrom":
        """`token_NL` are the entities' semantic IDs: one may change while its entity does not."""
        return cls(
            entities=[_version(entity_id, snapshot, token_NL) for entity_id in encoded.entity_ids],
            fields_TF=encoded.fields_TF,
            compressed=compressed,
        )

    @property
    def positions(self) -> int:
        """Positions that are fed."""
        return positions_fed(len(self.entities), self.compressed)

    def common(self, other: "MadeFrom") -> int:
        """How many of the positions fed, from the first on, were made from the same things."""
        same, compressed = self._same(other), min(self.compressed, other.compressed)
        if self.compressed != other.compressed:
            same = min(same, 1 + compressed)
        return positions_fed(same, compressed)

    def _same(self, other: "MadeFrom") -> int:
        """The same in positions as encoded."""
        length = min(len(self.entities), len(other.entities))
        same_T = (self.fields_TF[:length] == other.fields_TF[:length]).all(axis=1)
        if not same_T.all():
            length = int(same_T.argmin())
        pairs = zip(self.entities[:length], other.entities[:length], strict=True)
        return next((at for at, (ours, theirs) in enumerate(pairs) if ours != theirs), length)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prefix:
    """Keys and values [Y, H, P, K] of the first P positions of a prompt. Never changes."""

    made_from: MadeFrom
    caches_YHPK: FloatArray

    @property
    def positions(self) -> int:
        return int(self.caches_YHPK.shape[2])

    @property
    def size_bytes(self) -> int:
        return self.caches_YHPK.nbytes + self.made_from.fields_TF.nbytes

    def shared(self, made_from: MadeFrom) -> "Prefix":
        """The part that another prompt begins with, but never its last position: a page begins from
        the hidden state there. A shorter part is a copy, so that nothing of the rest stays."""
        found = min(self.made_from.common(made_from), self.positions, made_from.positions - 1)
        caches_YHPK = self.caches_YHPK
        if found < self.positions:
            caches_YHPK = caches_YHPK[:, :, :found].copy()
        return Prefix(made_from=made_from, caches_YHPK=caches_YHPK)


PrefixKey = tuple[str, str]
"""User id and model version."""


class PrefixCache:
    """The most recently used prefixes, bounded in bytes; safe for threads.

    `positions_found` and `positions_asked` count over all look-ups: their quotient is the share of
    prompts that did not have to be fed again. `forgotten` counts forgotten users: a prefix made
    from a history that was read before it grew is not kept.
    """

    def __init__(self, bytes_max: int = PREFIX_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.size_bytes = 0
        self.positions_asked = 0
        self.positions_found = 0
        self.forgotten = 0
        self._prefixes: OrderedDict[PrefixKey, Prefix] = OrderedDict()
        self._used_s: dict[PrefixKey, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._prefixes)

    def find(self, key: PrefixKey, made_from: MadeFrom) -> Prefix | None:
        """The part of what is kept under the key that this prompt begins with.

        Only that part stays: the rest is no longer in the history, or was erased.
        """
        with self._lock:
            prefix = self._prefixes.get(key)
        shared = None if prefix is None else prefix.shared(made_from)
        found = 0 if shared is None else shared.positions
        with self._lock:
            self.positions_asked += made_from.positions
            self.positions_found += found
            if shared is not None and self._prefixes.get(key) is prefix:
                self._keep(key, shared)
        return shared if found else None

    def keeps(self, key: PrefixKey) -> bool:
        """Whether anything is kept under the key; asking does not count as use."""
        with self._lock:
            return key in self._prefixes

    def keep(self, key: PrefixKey, prefix: Prefix, forgotten: int) -> None:
        """Replaces what was kept under the key; the least recently used make room.

        `forgotten` is the count before the history was read: nothing is kept if it has grown.
        """
        with self._lock:
            if forgotten == self.forgotten:
                self._keep(key, prefix)

    def keep_beside(self, key: PrefixKey, prefix: Prefix, other: PrefixKey) -> bool:
        """Keeps it if something is kept under `other` and nothing under the key; else False."""
        with self._lock:
            if other not in self._prefixes or key in self._prefixes:
                return False
            self._keep(key, prefix)
            return key in self._prefixes

    def forget(self, user_id: str) -> None:
        """Drops what is kept of a user, by any model, and keeps nothing of pages in hand."""
        with self._lock:
            self.forgotten += 1
            for key in [key for key in self._prefixes if key[0] == user_id]:
                self._drop(key)

    def drop_idle(self) -> None:
        """Drops what was unused for too long; to be called now and then."""
        with self._lock:
            long_ago_s = time.monotonic() - PREFIX_IDLE_SECONDS_MAX
            for key in [key for key, used_s in self._used_s.items() if used_s < long_ago_s]:
                self._drop(key)

    def _keep(self, key: PrefixKey, prefix: Prefix) -> None:
        self._drop(key)
        if prefix.positions < PREFIX_POSITIONS_MIN or prefix.size_bytes > self.bytes_max:
            return
        self._prefixes[key] = prefix
        self._used_s[key] = time.monotonic()
        self.size_bytes += prefix.size_bytes
        while self.size_bytes > self.bytes_max:
            self._drop(next(iter(self._prefixes)))

    def _drop(self, key: PrefixKey) -> None:
        if (prefix := self._prefixes.pop(key, None)) is not None:
            self.size_bytes -= prefix.size_bytes
            del self._used_s[key]


def _version(entity_id: str, snapshot: CatalogSnapshot, token_NL: Indices | None) -> EntityVersion:
    index = snapshot.entity_index.get(entity_id)
    if index is None:
        # Known only to the vocabulary, or not at all: its embedding depends on the model alone.
        return (entity_id, -1, -1) if entity_id else None
    entity = snapshot.entities[index]
    named = () if token_NL is None else tuple(token_NL[index].tolist())
    return entity_id, entity.number, entity.changed_at_ms, *named
