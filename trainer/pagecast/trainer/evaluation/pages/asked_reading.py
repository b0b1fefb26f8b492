"""An independent reading of what a caller asked: rows, entities, lengths, pins and caps.

Part of `page_checker`; plain Python, one entity at a time, and no code of the masks.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.rules.facts import AskedRow, KindCap, RequestFacts, RulesConfig
from pagecast.v1 import catalog_pb2


class AskedReading:
    """What `facts` ask of pages of a snapshot."""

    def __init__(self, snapshot: CatalogSnapshot, facts: RequestFacts, config: RulesConfig) -> None:
        self._snapshot, self._facts, self._config = snapshot, facts, config

    @cached_property
    def _rows(self) -> dict[str, AskedRow]:
        return {row.row_id: row for row in self._facts.asked_rows or ()}

    @cached_property
    def _caps(self) -> dict[int, KindCap]:
        return {cap.kind: cap for cap in self._facts.kind_caps}

    def wants_row(self, row: int) -> bool:
        return self._facts.asked_rows is None or self._snapshot.rows[row].row_id in self._rows

    def wants(self, entity: CatalogEntity) -> bool:
        return self._facts.entities is None or entity.entity_id in self._facts.entities

    def wants_in_row(self, row: int, index: int) -> bool:
        asked = self._of(row).entities
        return asked is None or self._snapshot.entities[index].entity_id in asked

    def pin(self, row: int) -> int | None:
        asked = self._of(row).pin
        return self._snapshot.rows[row].pin if asked is None else asked

    def entities_max(self, row: int) -> int:
        return self._of(row).entities_max or self._facts.entities_per_row

    def entities_min(self, row: int) -> int:
        unfinished = self._snapshot.rows[row].source == catalog_pb2.ROW_SOURCE_CONTINUE
        usual = self._config.continue_entities_min if unfinished else self._config.row_entities_min
        least = self._of(row).entities_min or self._facts.row_entities_min or usual
        return min(least, self.entities_max(row))

    def placeable(self, left: Iterable[int], placed: Iterable[int]) -> int:
        """How many of `left` one row can still take, when `placed` stand on the page."""
        stand = self.kinds(placed)
        return sum(min(n, self._room(kind, stand[kind])) for kind, n in self.kinds(left).items())

    def is_capped(self, index: int, row: Iterable[int], placed: Iterable[int]) -> bool:
        """Whether no cap lets this entity follow `row` when `placed` stood before the row."""
        kind = self._snapshot.entities[index].kind
        in_row = self.kinds(row)[kind]
        return in_row >= self._room(kind, self.kinds(placed)[kind])

    def kinds(self, indices: Iterable[int]) -> Counter[int]:
        return Counter(self._snapshot.entities[index].kind for index in indices)

    def _room(self, kind: int, on_page: int) -> int:
        """How many entities of a kind a row may hold when `on_page` of them stand on the page."""
        cap = self._caps.get(kind, KindCap(kind=kind))
        row_max = 10**9 if cap.row_max is None else cap.row_max
        page_max = 10**9 if cap.page_max is None else cap.page_max
        return min(row_max, page_max - on_page)

    def _of(self, row: int) -> AskedRow:
        row_id = self._snapshot.rows[row].row_id
        return self._rows.get(row_id, AskedRow(row_id=row_id))
