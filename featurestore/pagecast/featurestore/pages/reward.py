"""What an outcome on a page is worth: the one place that says so (docs/papers.md 1.4).

The reward of an impressed entity is a number from a table; a row's is an aggregate of its impressed
entities', a page's the sum over all of them. Training and simulation take it from here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Literal

from pagecast.featurestore.pages.logged_pages import EntityOutcome


class Outcome(StrEnum):
    """What can become of an entity on a page."""

    BINGE = "binge"
    """Watched for at least `binge_minutes`, all its plays on the page together."""
    COMPLETED = "completed"
    PURCHASED = "purchased"
    LONG_PLAY = "long_play"
    """Watched for at least `long_play_minutes`."""
    RATED_WELL = "rated_well"
    """With `rating_well_min` points or more."""
    LISTED = "listed"
    SHORT_PLAY = "short_play"
    """Played, however briefly."""
    TRAILER = "trailer"
    CLICK = "click"
    IMPRESSION = "impression"
    """Seen, and nothing followed, or nothing yet. Taking another of fifteen says little against it,
    and a page is not worth less because more of it was looked at."""
    ABANDONED = "abandoned"
    """Played, and given up within `abandoned_minutes`: it was not what it seemed to be."""
    RATED_BADLY = "rated_badly"
    HIDDEN = "hidden"


DESCENDING = (
    Outcome.BINGE,
    Outcome.COMPLETED,
    Outcome.LONG_PLAY,
    Outcome.SHORT_PLAY,
    Outcome.CLICK,
    Outcome.IMPRESSION,
    Outcome.ABANDONED,
)
"""Each is worth more than the next, or the table is a mistake."""


def _default_table() -> dict[Outcome, float]:
    return {
        Outcome.BINGE: 2.0,
        Outcome.COMPLETED: 1.5,
        Outcome.PURCHASED: 1.5,
        Outcome.LONG_PLAY: 1.0,
        Outcome.RATED_WELL: 0.8,
        Outcome.LISTED: 0.5,
        Outcome.SHORT_PLAY: 0.4,
        Outcome.TRAILER: 0.2,
        Outcome.CLICK: 0.2,
        Outcome.IMPRESSION: 0.0,
        Outcome.ABANDONED: -0.2,
        Outcome.RATED_BADLY: -0.5,
        Outcome.HIDDEN: -1.0,
    }


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """The table and the bounds of its outcomes.

    Raises ValueError, by name, if an outcome is missing or not a finite number, or if the table's
    order is not DESCENDING with ABANDONED below 0.
    """

    table: Mapping[Outcome, float] = field(default_factory=_default_table)
    """Worth of each outcome, without unit; its sign is post-training's label, its size the weight.
    The values are a guess: the papers publish only their order."""
    binge_minutes: float = 180.0
    """From here on a play is a binge: a night's watching of one entity."""
    long_play_minutes: float = 10.0
    """From here on a play is a long one (docs/papers.md 1.4)."""
    abandoned_minutes: float = 2.0
    """Up to here a play that ended and was not completed is an abandoned one: less than an opening.
    A play with nothing watched is one whose end nobody told, and a short one."""
    rating_well_min: float = 3.0
    """Points of 5 from which on a rating is a good one."""
    row: Literal["sum", "mean", "max"] = "mean"
    """How a row's reward is made of its impressed entities'. The papers do not say; a mean does not
    grow with the row's length."""

    def __post_init__(self) -> None:
        if wrong := [name for name, value in self.table.items() if not math.isfinite(value)]:
            raise ValueError(f"reward.table: {', '.join(wrong)}: give a finite number")
        if missing := [outcome.value for outcome in Outcome if outcome not in self.table]:
            raise ValueError(f"reward.table: no value for {', '.join(missing)}")
        for better, worse in pairwise(DESCENDING):
            if self.table[better] <= self.table[worse]:
                raise ValueError(f"reward.table: {better} must be worth more than {worse}")
        if self.table[Outcome.ABANDONED] >= 0:
            raise ValueError("reward.table: abandoned must be below 0")

    @classmethod
    def of_table(cls, values: Mapping[str, float]) -> "RewardConfig":
        """With a table by the names of outcomes, as in a file. Raises ValueError by name."""
        known = {outcome.value: outcome for outcome in Outcome}
        if unknown := [name for name in values if name not in known]:
            raise ValueError(
                f"reward.table: no outcome is named {', '.join(unknown)}: name {', '.join(known)}"
            )
        if wrong := [n for n, v in values.items() if isinstance(v, bool | str | None)]:
            raise ValueError(f"reward.table: {', '.join(wrong)}: give a number")
        return cls(table={known[name]: float(value) for name, value in values.items()})

    def entity(self, outcome: EntityOutcome) -> float:
        """The reward of an entity that was seen or acted upon.

        What a user said against it decides; else the best that came of it does.
        """
        against = [self.table[o] for o in self._against(outcome)]
        if against:
            return min(against)
        best = [self.table[o] for o in self._in_favour(outcome)]
        return max(best, default=self.table[Outcome.IMPRESSION])

    def of_row(self, entities: Sequence[float]) -> float:
        """The reward of a row, from those of its impressed entities; there is at least one."""
        match self.row:
            case "sum":
                return sum(entities)
            case "mean":
                return sum(entities) / len(entities)
            case "max":
                return max(entities)

    def of_page(self, entities: Iterable[EntityOutcome]) -> float:
        """The reward of a page: the sum over its entities that were seen or acted upon."""
        return sum(self.entity(outcome) for outcome in entities)

    def _against(self, outcome: EntityOutcome) -> list[Outcome]:
        badly = outcome.rating is not None and outcome.rating < self.rating_well_min
        said = {
            Outcome.HIDDEN: outcome.hidden,
            Outcome.RATED_BADLY: badly,
            Outcome.ABANDONED: self._given_up(outcome),
        }
        return [name for name, true in said.items() if true]

    def _given_up(self, outcome: EntityOutcome) -> bool:
        """A play that ended at once, of something that was neither kept for later nor liked."""
        wanted = outcome.completed or outcome.purchased or outcome.listed or outcome.rating
        brief = 0 < outcome.watched_ms / 60_000 <= self.abandoned_minutes
        return brief and not wanted

    def _in_favour(self, outcome: EntityOutcome) -> list[Outcome]:
        minutes = outcome.watched_ms / 60_000
        came = {
            Outcome.BINGE: minutes >= self.binge_minutes,
            Outcome.COMPLETED: outcome.completed,
            Outcome.PURCHASED: outcome.purchased,
            Outcome.LONG_PLAY: minutes >= self.long_play_minutes,
            Outcome.RATED_WELL: outcome.rating is not None,
            Outcome.LISTED: bool(outcome.listed),
            Outcome.SHORT_PLAY: outcome.played,
            Outcome.TRAILER: outcome.trailer_played,
            Outcome.CLICK: outcome.clicked,
        }
        return [name for name, true in came.items() if true]
