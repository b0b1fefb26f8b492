"""A page as a member has it before them."""

from collections.abc import Iterator
from dataclasses import dataclass

from pagecast.v1 import events_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entity on a page; positions from 0."""

    entity_id: str
    row_id: str
    row: int
    position: int

    def placement(self) -> events_pb2.Placement:
        return events_pb2.Placement(
            row_id=self.row_id, row_position=self.row, entity_position=self.position
        )


@dataclass(frozen=True, kw_only=True)
class ShownRow:
    """A row as it was streamed."""

    row_id: str
    argument_entity_id: str
    entity_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ShownPage:
    """What was streamed for one request."""

    page_id: str
    user_id: str
    requested_at_ms: int
    rows: tuple[ShownRow, ...]
    model_version: str = ""
    arm: str = ""
    degraded_reason: str = ""

    @property
    def maker(self) -> tuple[str, str, str]:
        """Who made it: pages of different makers differ whatever a user did."""
        return self.arm, self.model_version, self.degraded_reason

    def window(self, row: int, position: int, rows: int, entities: int) -> "Screen":
        """What a screen of `rows` x `entities` shows from this place on."""
        return Screen(
            row=row,
            position=position,
            places=tuple(
                Place(entity_id=entity_id, row_id=shown.row_id, row=row + r, position=position + p)
                for r, shown in enumerate(self.rows[row : row + rows])
                for p, entity_id in enumerate(shown.entity_ids[position : position + entities])
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Screen:
    """Places that are on the screen at once, row by row from the top left."""

    row: int
    position: int
    places: tuple[Place, ...]

    def impression(self) -> events_pb2.Impression:
        """Everything on the screen: clients do not know what was looked at."""
        seen = events_pb2.Impression()
        for row_id, row, places in self._by_row():
            seen.rows.add(
                row_id=row_id, row_position=row, entity_ids=[place.entity_id for place in places]
            )
        return seen

    def _by_row(self) -> Iterator[tuple[str, int, list[Place]]]:
        rows: dict[int, list[Place]] = {}
        for place in self.places:
            rows.setdefault(place.row, []).append(place)
        for row, places in rows.items():
            yield places[0].row_id, row, places
