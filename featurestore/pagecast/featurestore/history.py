"""A user's history: a bounded sequence of steps, and what is known of a profile.

Both are pure folds of the event log. `fold` applies events, `packing` stores them, `prompt` turns
them into what the model sees.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

STEPS_MAX = 512
"""Steps in a window. Above it prefill no longer fits a page's time (docs/facts.md)."""

STEPS_EVICTED_TOGETHER = 128
"""A full window drops this many at once: one by one, every step would void a cached prefix."""

RECENT_EVENTS_MAX = 512
"""Event ids remembered, so that a producer's retry at a new offset is skipped."""

ENTITY_SET_MAX = 1024
"""Entities in each exact set beside the window (hidden, completed, listed, resume positions)."""


class Action(IntEnum):
    """What a step is, in growing order of engagement; a merged step keeps the strongest."""

    NONE = 0
    IMPRESSION = 1
    SEARCH = 2
    VIEW_DETAILS = 3
    CLICK = 4
    PLAY_TRAILER = 5
    HIDE = 6
    REMOVE_FROM_LIST = 7
    ADD_TO_LIST = 8
    PLAY_FEATURE = 9
    PLAY_LIVE = 10
    RATE = 11
    PURCHASE = 12
    COMPLETE = 13


WATCHED_ACTIONS = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.RATE, Action.PURCHASE, Action.COMPLETE}
)
"""Actions after which an entity counts as already watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryVersion:
    """How much of the log a history contains.

    `next_offset` is the offset of the user's last applied record plus one; versions compare only
    within one (topic_id, partition).
    """

    topic_id: str
    partition: int
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One or more merged events as the model sees them.

    The request-time half is `occurred_at_ms`, `device`, `country`, `language`, `surface` and
    `session_id`; the rest is the post-action half.
    """

    occurred_at_ms: int
    action: Action
    entity_id: str = ""
    row_id: str = ""
    watched_ms: int = 0
    rating: float | None = None
    events: int = 1
    device: str = ""
    country: str = ""
    language: str = ""
    surface: str = ""
    session_id: str = ""


@dataclass(slots=True, kw_only=True)
class History:
    """A user's history. Mutable: ingest folds events into it in place.

    The exact sets are insertion-ordered dicts, oldest first, at most `ENTITY_SET_MAX` long.
    """

    user_id: str
    version: HistoryVersion | None = None
    steps: list[Step] = field(default_factory=list)
    recent_event_hashes: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT_EVENTS_MAX))
    hidden: dict[str, None] = field(default_factory=dict)
    completed: dict[str, None] = field(default_factory=dict)
    listed: dict[str, None] = field(default_factory=dict)
    resume_ms: dict[str, int] = field(default_factory=dict)
    steps_dropped: int = 0

    def watched(self) -> set[str]:
        """Entities played, rated, bought or completed, as far as the window and sets reach."""
        seen = {s.entity_id for s in self.steps if s.action in WATCHED_ACTIONS and s.entity_id}
        return seen | self.completed.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a user besides events; the default is what is known of a stranger."""

    language: str = ""
    profile_type: int = 0
    maturity_limit: int | None = None
    occurred_at_ms: int = 0
