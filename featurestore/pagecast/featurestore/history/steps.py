"""Steps: what the model is told that somebody did."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


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


ACTIONS = tuple(Action)
"""By number; `Action(number)` takes ten times as long."""

WATCHED_ACTIONS = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.RATE, Action.PURCHASE, Action.COMPLETE}
)
"""Actions after which an entity counts as already watched."""

WATCHED_MS_MAX = 2**32 - 1
"""49 days in one step: a sum stops growing there."""

EVENTS_MAX = 2**16 - 1
"""Events in one step: the count stops growing there."""


class Context(NamedTuple):
    """The request-time half of an event, less its time."""

    device: str = ""
    country: str = ""
    language: str = ""
    surface: str = ""
    session_id: str = ""


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
