"""What happens while a page is made, in this order: (RowBegun EntityChosen+ RowEnded)* PageEnded.

Rows and entities are indices into the catalog snapshot. A page that was cancelled has no PageEnded.
"""

from dataclasses import dataclass
from typing import TypeAlias

from pagecast.rules.page_state import RowEnd
from pagecast.v1 import homepage_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBegun:
    """A row was chosen. `argument` is an entity, or NO_ARGUMENT (-1)."""

    row_position: int
    row: int
    argument: int
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityChosen:
    """An entity has its place. Entities filled from one run carry that run's log-probability."""

    row_position: int
    entity_position: int
    entity: int
    log_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEnded:
    """A row is complete, with so many entities."""

    row_position: int
    entities: int
    reason: RowEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class PageEnded:
    """The page is complete.

    `rows_cut_short` rows ended before they were full. `near_ties` choices were so close that
    another machine may choose differently. `runs` counts the runs of the model's graphs.
    """

    rows: int
    finish_reason: "homepage_pb2.FinishReason.ValueType"
    rows_cut_short: int
    near_ties: int
    runs: int


PageEvent: TypeAlias = RowBegun | EntityChosen | RowEnded | PageEnded
