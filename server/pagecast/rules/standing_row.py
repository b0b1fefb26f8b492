"""A row that already stands on a page when it is carried on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRow:
    """Indices of the catalog snapshot; `argument` is an entity, or NO_ARGUMENT (-1).

    It was allowed when it was placed and stays, whatever the rules say now.
    """

    row: int
    argument: int
    entities: tuple[int, ...]
