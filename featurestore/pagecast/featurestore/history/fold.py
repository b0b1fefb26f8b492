"""A history is a pure fold of the interaction topic: steps 4 and 5 of the life of an event.

No clock and no catalog: the same events in the same order give the same history in ingest, in the
trainer and in tests, however they are cut into batches.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import NamedTuple

from pagecast.featurestore.history.fold_sets import update_sets
from pagecast.featurestore.history.fold_steps import (
    compact,
    evict,
    insert,
    merge_back,
    merge_forward,
)
from pagecast.featurestore.history.history import (
    HASH_BYTES,
    RECENT_EVENTS_MAX,
    STEPS_EVICTED_TOGETHER,
    STEPS_MAX,
    History,
    HistoryVersion,
)
from pagecast.featurestore.history.steps import Action
from pagecast.featurestore.history.tokens import STOP, Token, token_of
from pagecast.v1 import events_pb2

LATENESS_MS = 60 * 60 * 1000
"""A step may be inserted this late: every late insert voids a cached prefix from there on."""

MERGE_GAP_MS = 30 * 60 * 1000
"""A pause longer than this begins a new step: the convention for the end of a session."""

NAMES_MAX = 16_384
"""Names in a history's table before it is made anew: as sets turn over, it would grow past what a
column can point at. Twice what a full history needs."""

CONTEXTS_MAX = 4_096
"""The same for its contexts: merges can bring ever new ones. A full window has 512."""

NEVER = -1
"""Merge gap of an action that never shares a step."""

_ALONE = (Action.HIDE, Action.ADD_TO_LIST, Action.REMOVE_FROM_LIST, Action.SEARCH)
"""Actions whose order among the others is what they say."""


def _default_gaps() -> Mapping[Action, int]:
    return {action: NEVER if action in _ALONE else MERGE_GAP_MS for action in Action}


@dataclass(frozen=True, kw_only=True)
class FoldConfig:
    """How events become steps. Ingest and trainer must use the same."""

    steps_max: int = STEPS_MAX
    """Steps in a window."""
    evicted_together: int = STEPS_EVICTED_TOGETHER
    """Oldest steps that leave a full window at once."""
    lateness_ms: int = LATENESS_MS
    """How much older than the newest step an event may be and still make a step."""
    merge_gap_ms: Mapping[Action, int] = field(default_factory=_default_gaps)
    """Longest pause inside a step, by action; one with NEVER, or left out, never shares a step. Two
    steps merge if the pause between them is within the gaps of both."""

    def __post_init__(self) -> None:
        if not 1 <= self.evicted_together <= self.steps_max:
            raise ValueError("evicted_together must be between 1 and steps_max")
        if self.steps_max > STEPS_MAX:
            raise ValueError(f"steps_max must be at most {STEPS_MAX}")
        if self.lateness_ms < 0:
            raise ValueError("lateness_ms must not be negative")
        if any(gap < NEVER for gap in self.merge_gap_ms.values()):
            raise ValueError("merge_gap_ms must not be below -1, which is never")

    @cached_property
    def gaps(self) -> tuple[int, ...]:
        """`merge_gap_ms` by the action's number."""
        return tuple(self.merge_gap_ms.get(action, NEVER) for action in Action)

    @cached_property
    def fingerprint(self) -> int:
        """32 bits that differ for another configuration; kept in every packed history."""
        values = {**asdict(self), "merge_gap_ms": self.gaps}
        return zlib.crc32(repr(sorted(values.items())).encode())


DEFAULT_FOLD = FoldConfig()


class Effect(NamedTuple):
    """What an event that was new to a history has done to its steps."""

    position: int = -1
    """Where a step was put or changed, before any were evicted; -1 if none was."""
    inserted: bool = False
    """Whether the step is a new one."""
    evicted: int = 0
    """How many of the oldest steps have then left the window."""


NO_STEP = Effect()


class LogChanged(Exception):  # noqa: N818 - it is news, the caller decides whether it is an error
    """The event comes from another log than the history: the topic was made anew.

    Whether to stop or to begin the history again is the caller's decision.
    """


def event_hash(event_id: str) -> bytes:
    """First 8 bytes of SHA-256 of an event id, as `History.recent_event_hashes` keeps them."""
    return hashlib.sha256(event_id.encode()).digest()[:HASH_BYTES]


def apply_event(
    history: History,
    event: events_pb2.InteractionEvent,
    version: HistoryVersion,
    config: FoldConfig = DEFAULT_FOLD,
) -> bool:
    """Folds one event into a history, in place; `version` is the history's after it.

    False, and nothing changes, if the history contains the event. Raises LogChanged if the history
    was built from another topic id.
    """
    begin(history, version.topic_id, version.partition)
    return apply_token(history, token_of(event), version.next_offset - 1, config) is not None


def begin(history: History, topic_id: str, partition: int) -> None:
    """Says which partition of which log the next tokens are from. Raises LogChanged."""
    if history.next_offset and history.topic_id != topic_id:
        raise LogChanged(
            f"history was built from topic id {history.topic_id!r}, "
            f"the event comes from {topic_id!r}: rebuild the history from the new log"
        )
    if history.partition != partition or not history.next_offset:
        history.topic_id, history.partition, history.next_offset = topic_id, partition, 0


def apply_token(
    history: History, token: Token, offset: int, config: FoldConfig = DEFAULT_FOLD
) -> Effect | None:
    """Folds one token of the history's partition (`begin`) into it, in place.

    None, and nothing changes, if the history contains it: by its version, or by the event's id (a
    producer's retry at a new offset). An impression, and an event later than `lateness_ms`, move
    the version and the recent ids but make no step.
    """
    if offset < history.next_offset:
        return None
    digest = event_hash(token.event_id)
    recent = history.recent_event_hashes
    if _contains(recent, digest):
        return None
    history.next_offset = offset + 1
    recent += digest
    if len(recent) > RECENT_EVENTS_MAX * HASH_BYTES:
        del recent[:HASH_BYTES]
    if token.action <= Action.IMPRESSION:
        return NO_STEP
    update_sets(history, token)
    effect = _step(history, token, config)
    if len(history.strings.names) > NAMES_MAX or len(history.steps.contexts) > CONTEXTS_MAX:
        compact(history)
    return effect


def _step(history: History, token: Token, config: FoldConfig) -> Effect:
    steps = history.steps
    if steps.at_ms and token.at_ms < steps.at_ms[-1] - config.lateness_ms:
        return NO_STEP
    position, inserted = _place(history, token, config.gaps)
    evicted = 0
    if len(steps.at_ms) > config.steps_max:
        evicted = config.evicted_together
        evict(history, evicted)
    return Effect._make((position, inserted, evicted))


def _contains(recent: bytearray, digest: bytes) -> bool:
    """Whether a hash is among them. A search for its bytes is twenty times as fast as a loop."""
    at = recent.find(digest)
    while at > 0 and at % HASH_BYTES:
        at = recent.find(digest, at + 1)
    return at >= 0


def _place(history: History, token: Token, gaps: tuple[int, ...]) -> tuple[int, bool]:
    """Puts the step where its time says (ties: arrival order), merging it with a neighbour.

    A pause runs from where a step would have ended, had it been watched without one, to where the
    next began: a stop began when its play did.
    """
    steps = history.steps
    at_ms, gap = token.at_ms, gaps[token.action]
    position = len(steps.at_ms)
    while position and steps.at_ms[position - 1] > at_ms:
        position -= 1
    if gap == NEVER:
        insert(history, position, token)
        return position, True
    began_ms = at_ms - token.watched_ms if token.marks & STOP else at_ms
    if position:
        before = position - 1
        pause_ms = began_ms - steps.at_ms[before] - steps.watched_ms[before]
        if pause_ms <= min(gap, gaps[steps.action[before]]) and _alike(history, before, token):
            merge_back(history, before, token)
            return before, False
    if position < len(steps.at_ms):
        pause_ms = steps.at_ms[position] - at_ms - token.watched_ms
        if pause_ms <= min(gap, gaps[steps.action[position]]) and _alike(history, position, token):
            merge_forward(history, position, token)
            return position, False
    insert(history, position, token)
    return position, True


def _alike(history: History, position: int, token: Token) -> bool:
    """Whether a step is of the token's entity and session."""
    steps = history.steps
    return (
        history.strings.names[steps.entity[position]] == token.entity_id
        and steps.contexts[steps.context[position]].session_id == token.context.session_id
    )
