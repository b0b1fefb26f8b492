"""A user's history: a bounded sequence of steps, and what is known of a profile.

Both are pure folds of the event log. `fold` applies events, `packing` stores them, `prompt` turns
them into what the model sees.
"""

from dataclasses import dataclass
from typing import NamedTuple

from pagecast.featurestore.history.step_columns import StepColumns, Strings
from pagecast.featurestore.history.steps import WATCHED_ACTIONS, Action, Step

__all__ = [
    "WATCHED_ACTIONS",
    "Action",
    "History",
    "HistoryVersion",
    "Profile",
    "Step",
    "Total",
]

STEPS_MAX = 512
"""Steps in a window. Above it prefill no longer fits a page's time (docs/facts.md)."""

STEPS_EVICTED_TOGETHER = 128
"""A full window drops this many at once: one by one, every step would void a cached prefix."""

RECENT_EVENTS_MAX = 512
"""Event ids remembered, so that a producer's retry at a new offset is skipped."""

HASH_BYTES = 8
"""Of an event id's hash: among a user's last 512, two are alike once in 10^14 users."""

ENTITY_SET_MAX = 1024
"""Entities in each exact set beside the window (hidden, completed, listed, resume positions)."""

STOPS_MAX = 32
"""Entities whose last stop's time is kept: after this many others, a late stop may put back an
older position. Ten bytes each in the store."""

TOTALS_MAX = 512
"""Entities, and rows, whose steps that left the window have a sum each; the rest share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryVersion:
    """How much of the log a history contains.

    `next_offset` is the offset of the user's last applied record plus one; versions compare only
    within one (topic_id, partition).
    """

    topic_id: str
    partition: int
    next_offset: int


class Total(NamedTuple):
    """What steps that have left the window add up to."""

    steps: int = 0
    watched_ms: int = 0
    last_at_ms: int = 0
    """Start of the newest of them, milliseconds since 1970."""

    def plus(self, other: "Total") -> "Total":
        return Total(
            self.steps + other.steps,
            self.watched_ms + other.watched_ms,
            max(self.last_at_ms, other.last_at_ms),
        )


class History:
    """A user's history. Mutable: ingest folds events into it in place.

    The exact sets are insertion-ordered dicts, oldest first, at most `ENTITY_SET_MAX` long. The
    totals are least recently grown first: at most `TOTALS_MAX` names, and "" for no name and for
    what there was no room for. Every name in any of them is in `strings`.
    """

    __slots__ = (
        "completed",
        "entity_totals",
        "hidden",
        "listed",
        "next_offset",
        "partition",
        "recent_event_hashes",
        "resume_ms",
        "row_totals",
        "steps",
        "steps_dropped",
        "stopped_ms",
        "strings",
        "topic_id",
        "user_id",
    )

    def __init__(self, user_id: str, version: HistoryVersion | None = None) -> None:
        self.user_id = user_id
        self.topic_id, self.partition, self.next_offset = "", 0, 0
        if version is not None:
            self.topic_id, self.partition = version.topic_id, version.partition
            self.next_offset = version.next_offset
        self.strings = Strings()
        self.steps = StepColumns(self.strings)
        self.recent_event_hashes = bytearray()
        """`HASH_BYTES` of the last event ids, oldest first."""
        self.hidden: dict[str, None] = {}
        self.completed: dict[str, None] = {}
        self.listed: dict[str, None] = {}
        self.resume_ms: dict[str, int] = {}
        self.stopped_ms: dict[str, int] = {}
        """When the newest stop that cleared or said where to resume from happened, milliseconds
        since 1970; at most `STOPS_MAX` entities."""
        self.entity_totals: dict[str, Total] = {}
        self.row_totals: dict[str, Total] = {}
        self.steps_dropped = 0

    @property
    def version(self) -> HistoryVersion | None:
        """None before the first event: it comes from no log yet."""
        if not self.next_offset:
            return None
        return HistoryVersion(
            topic_id=self.topic_id, partition=self.partition, next_offset=self.next_offset
        )

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, whatever the indices of their names."""
        return isinstance(other, History) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def _values(self) -> tuple[object, ...]:
        ordered = (self.hidden, self.completed, self.listed)
        by_name = (self.resume_ms, self.stopped_ms, self.entity_totals, self.row_totals)
        return (
            self.user_id,
            self.version,
            self.steps[:],
            self.recent_event_hashes,
            *map(list, ordered),
            *(list(named.items()) for named in by_name),
            self.steps_dropped,
        )

    def watched(self) -> set[str]:
        """Entities played, rated, bought or completed, as far as the window and sets reach."""
        return self.steps.entities_of(WATCHED_ACTIONS) | self.completed.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a user besides events; the default is what is known of a stranger."""

    language: str = ""
    profile_type: int = 0
    maturity_limit: int | None = None
    occurred_at_ms: int = 0
