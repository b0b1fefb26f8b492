"""Steps, and how a history holds them: as columns of numbers, with their names in a table.

A worker holds thousands of histories and touches ten thousand steps a second. As objects a full
window takes 100 KB and a millisecond to store; as columns it takes 11 KB and is stored by copying.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, overload


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


class Strings:
    """Names by index; 0 is the empty string. An index stays until the table is made anew."""

    def __init__(self, names: Iterable[str] = ("",)) -> None:
        self.names = list(names)
        self._indices: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def indices(self) -> dict[str, int]:
        """Index by name. Made when it is asked for: who only reads never needs it."""
        if self._indices is None:
            self._indices = {name: index for index, name in enumerate(self.names)}
        return self._indices

    def intern(self, name: str) -> int:
        """The index of a name, which is added if it is new."""
        indices = self.indices
        index = indices.get(name)
        if index is None:
            index = indices[name] = len(self.names)
            self.names.append(name)
        return index


class StepColumns(Sequence[Step]):
    """A window of steps, oldest first. `fold` changes the columns in place."""

    __slots__ = (
        "_context_indices",
        "action",
        "at_ms",
        "context",
        "contexts",
        "entity",
        "events",
        "rating",
        "row",
        "strings",
        "watched_ms",
    )

    COLUMNS = (
        ("at_ms", "q"),
        ("action", "B"),
        ("entity", "H"),
        ("row", "H"),
        ("watched_ms", "I"),
        ("rating", "B"),
        ("events", "H"),
        ("context", "H"),
    )
    """Names and array types: 22 bytes a step."""

    def __init__(self, strings: Strings) -> None:
        self.strings = strings
        self.contexts: list[Context] = []
        """Distinct contexts of the window; all their names are in `strings`."""
        self._context_indices: dict[Context, int] | None = None
        self.at_ms = array("q")
        self.action = array("B")
        self.entity = array("H")
        self.row = array("H")
        self.watched_ms = array("I")
        self.rating = array("B")
        """Rating times 2 plus 1; 0 if not rated."""
        self.events = array("H")
        self.context = array("H")
        """Indices into `contexts`."""

    def __len__(self) -> int:
        return len(self.at_ms)

    @overload
    def __getitem__(self, at: int) -> Step: ...
    @overload
    def __getitem__(self, at: slice) -> list[Step]: ...
    def __getitem__(self, at: int | slice) -> Step | list[Step]:
        if isinstance(at, slice):
            return [self._step(i) for i in range(*at.indices(len(self)))]
        return self._step(at)

    def __iter__(self) -> Iterator[Step]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self[:] == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"StepColumns({self[:]!r})"

    def context_index(self, context: Context) -> int:
        """The index of a context, which is added, with its names, if it is new."""
        if self._context_indices is None:
            self._context_indices = {known: i for i, known in enumerate(self.contexts)}
        index = self._context_indices.get(context)
        if index is None:
            index = self._context_indices[context] = len(self.contexts)
            self.contexts.append(context)
            for name in context:
                self.strings.intern(name)
        return index

    def entities_of(self, actions: Iterable[Action]) -> set[str]:
        """Entities of the steps with one of these actions."""
        wanted = set(map(int, actions))
        found = {e for e, a in zip(self.entity, self.action, strict=True) if a in wanted}
        return {self.strings.names[index] for index in found - {0}}

    def drop_oldest(self, count: int) -> None:
        for name, _ in self.COLUMNS:
            del getattr(self, name)[:count]

    def rename(self, strings: Strings) -> None:
        """Moves to a new table: only names and contexts that are in use are in it afterwards."""
        old = self.strings.names
        self.strings = strings
        self.entity = array("H", [strings.intern(old[i]) for i in self.entity])
        self.row = array("H", [strings.intern(old[i]) for i in self.row])
        contexts, self.contexts, self._context_indices = self.contexts, [], None
        self.context = array("H", [self.context_index(contexts[i]) for i in self.context])

    def _step(self, at: int) -> Step:
        names = self.strings.names
        context = self.contexts[self.context[at]]
        rating = self.rating[at]
        return Step(
            occurred_at_ms=self.at_ms[at],
            action=ACTIONS[self.action[at]],
            entity_id=names[self.entity[at]],
            row_id=names[self.row[at]],
            watched_ms=self.watched_ms[at],
            rating=(rating - 1) / 2 if rating else None,
            events=self.events[at],
            device=context.device,
            country=context.country,
            language=context.language,
            surface=context.surface,
            session_id=context.session_id,
        )
