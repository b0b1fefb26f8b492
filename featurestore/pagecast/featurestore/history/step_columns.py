"""How steps are held: as columns of numbers, with their names in a table.

A worker holds thousands of histories and touches ten thousand steps a second. As objects a full
window takes 100 KB and a millisecond to store; as columns it takes 11 KB and is stored by copying.
Prompts are made of the same columns, so that no page turns steps into objects.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from pagecast.featurestore.history.steps import (
    ACTIONS,
    EVENTS_MAX,
    WATCHED_MS_MAX,
    Action,
    Context,
    Step,
)


class Strings:
    """Names by index; 0 is the empty string. An index stays until the table is made anew."""

    def __init__(self, names: Iterable[str] = ("",)) -> None:
        self.names = list(names)
        self._indices: dict[str, int] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def indices(self) -> dict[str, int]:
        """Index by name. Made when first asked for: a reader never needs it."""
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

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "StepColumns":
        """The same steps, with a table of their own. Sums stop where the fold stops them, and
        ratings become halves."""
        columns = cls(Strings())
        intern = columns.strings.intern
        for step in steps:
            columns.at_ms.append(step.occurred_at_ms)
            columns.action.append(step.action)
            columns.entity.append(intern(step.entity_id))
            columns.row.append(intern(step.row_id))
            columns.watched_ms.append(min(step.watched_ms, WATCHED_MS_MAX))
            columns.rating.append(0 if step.rating is None else 1 + round(step.rating * 2))
            columns.events.append(min(step.events, EVENTS_MAX))
            columns.context.append(columns.context_index(_context_of(step)))
        return columns

    def newest(self, most: int) -> "StepColumns":
        """The newest steps, as they are now: what is folded in later changes none of them."""
        newest = StepColumns(self.strings)
        newest.contexts = self.contexts
        for name, _ in self.COLUMNS:
            setattr(newest, name, getattr(self, name)[max(0, len(self) - most) :])
        return newest

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


def _context_of(step: Step) -> Context:
    return Context(step.device, step.country, step.language, step.surface, step.session_id)
