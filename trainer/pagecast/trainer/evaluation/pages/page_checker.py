"""An independent reading of the rules: plain Python over the catalog, one entity at a time.

It shares no code with the masks and decides from the finished page alone whether a rule is broken.
So it says of a page what the masks that made it cannot say of themselves.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.rules.facts import RequestFacts, RulesConfig
from pagecast.rules.page_state import RowEnd
from pagecast.trainer.evaluation.pages.asked_reading import AskedReading
from pagecast.trainer.evaluation.pages.predicate_reading import predicate_holds
from pagecast.v1 import catalog_pb2, homepage_pb2


@dataclass(frozen=True)
class PlacedRow:
    """A row as it stands on a page: indices into the snapshot. `ended` is why it said it ended."""

    row: int
    argument: int | None
    entities: tuple[int, ...]
    ended: RowEnd | None = None


class CheckedCatalog:
    """What is the same for all pages of a snapshot; worked out once, when it is asked for."""

    def __init__(self, snapshot: CatalogSnapshot) -> None:
        self.snapshot = snapshot

    @cached_property
    def by_row(self) -> list[set[int]]:
        """The entities that each row's predicate holds for."""
        return [
            {
                index
                for index, entity in enumerate(self.snapshot.entities)
                if row.predicate is not None and predicate_holds(row.predicate, entity)
            }
            for row in self.snapshot.rows
        ]

    @cached_property
    def by_genre(self) -> dict[str, set[int]]:
        found: dict[str, set[int]] = defaultdict(set)
        for index, entity in enumerate(self.snapshot.entities):
            for genre in entity.genres:
                found[genre].add(index)
        return found


class PageChecker:
    """Checks pages of one request."""

    def __init__(
        self,
        catalog: CheckedCatalog,
        facts: RequestFacts,
        popular: Sequence[int],
        config: RulesConfig,
    ) -> None:
        self.catalog, self.snapshot, self.facts = catalog, catalog.snapshot, facts
        self.popular, self.config = popular, config
        self.asked = AskedReading(self.snapshot, facts, config)
        wanted = ((i, e) for i, e in enumerate(self.snapshot.entities) if self.wanted(e))
        watched = frozenset[str]() if facts.watched_again else facts.watched
        self.eligible = {i for i, entity in wanted if entity.entity_id not in watched}
        self._candidates: dict[tuple[int, int | None], set[int]] = {}

    def broken(self, page: Sequence[PlacedRow], finish_reason: int) -> list[str]:
        """What the page breaks, and whether it ends before it must; empty if it keeps the rules."""
        return list(self._broken(page, finish_reason))

    def _broken(self, page: Sequence[PlacedRow], finish_reason: int) -> Iterator[str]:
        used_rows: set[int] = set()
        used_arguments: set[int] = set()
        placed: set[int] = set()
        for position, stands in enumerate(page):
            may_begin = self.rows_that_may_begin(position, used_rows, used_arguments, placed)
            if stands.row not in may_begin:
                yield f"row {stands.row} may not begin at {position}, but {sorted(may_begin)} may"
                continue
            argument = self.argument_of(stands.row, used_arguments, placed)
            if stands.argument != argument:
                yield f"row {stands.row} at {position} is about {stands.argument}, not {argument}"
                continue
            for wrong in self.wrong_entities(stands, placed):
                yield f"row {stands.row} at {position}: {wrong}"
            used_rows.add(stands.row)
            placed |= set(stands.entities)
            used_arguments |= set() if argument is None else {argument}
        expected = homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE
        if len(page) == self.facts.rows:
            expected = homepage_pb2.FINISH_REASON_ROWS
        elif self.rows_that_may_begin(len(page), used_rows, used_arguments, placed):
            yield f"it ends after {len(page)} rows, though another may begin"
        elif self.without_caps().rows_that_may_begin(len(page), used_rows, used_arguments, placed):
            expected = homepage_pb2.FINISH_REASON_CAPPED
        if finish_reason != expected:
            yield f"it says that it ended by reason {finish_reason}, not {expected}"

    def wrong_entities(self, stands: PlacedRow, placed: set[int]) -> Iterator[str]:
        candidates = self.candidates(stands.row, stands.argument)
        if len(set(stands.entities)) != len(stands.entities):
            yield "an entity twice in a row"
        if placed & set(stands.entities):
            yield "an entity twice on a page"
        if not set(stands.entities) <= candidates:
            yield "an entity that may not stand in the row"
        left = candidates - placed
        length = min(self.asked.entities_max(stands.row), self.asked.placeable(left, placed))
        if len(stands.entities) != length:
            yield "row length"
        for position, index in enumerate(stands.entities):
            if self.asked.is_capped(index, stands.entities[:position], placed):
                yield "more of a kind than its cap allows"
        first = self.first_entities(stands.row, left, placed, length)
        if stands.entities[: len(first)] != tuple(first):
            yield "first entities"
        shorter = length < self.asked.entities_max(stands.row)
        reason = RowEnd.CANDIDATES_RAN_OUT if length == len(left) else RowEnd.CAPPED
        if stands.ended not in (None, reason if shorter else RowEnd.FULL):
            yield f"it says that it ended by reason {stands.ended}"

    def first_entities(self, row: int, left: set[int], placed: set[int], length: int) -> list[int]:
        """The row's first entities that can stand, each as far as caps let it follow the others."""
        first: list[int] = []
        for index in self.indices(self.snapshot.rows[row].first_entity_ids):
            if index in left and not self.asked.is_capped(index, first, placed):
                first.append(index)
        return first[:length]

    def without_caps(self) -> "PageChecker":
        facts = replace(self.facts, kind_caps=())
        return PageChecker(self.catalog, facts, self.popular, self.config)

    def rows_that_may_begin(
        self, position: int, used_rows: set[int], used_arguments: set[int], placed: set[int]
    ) -> set[int]:
        able = {
            index
            for index, row in enumerate(self.snapshot.rows)
            if index not in used_rows
            and not row.retired
            and self.asked.wants_row(index)
            and self.can_begin(index, used_arguments, placed)
        }
        pinned_here = {index for index in able if self.asked.pin(index) == position}
        return pinned_here or {index for index in able if self.asked.pin(index) is None}

    def can_begin(self, row: int, used_arguments: set[int], placed: set[int]) -> bool:
        if self.snapshot.rows[row].source == catalog_pb2.ROW_SOURCE_BECAUSE:
            return self.argument_of(row, used_arguments, placed) is not None
        return self.enough(row, self.candidates(row, None), placed)

    def enough(self, row: int, candidates: set[int], placed: set[int]) -> bool:
        placeable = self.asked.placeable(candidates - placed, placed)
        return placeable >= self.asked.entities_min(row)

    def argument_of(self, row: int, used: set[int], placed: set[int]) -> int | None:
        if self.snapshot.rows[row].source != catalog_pb2.ROW_SOURCE_BECAUSE:
            return None
        possible = self.offered_in_order(self.facts.because)[: self.config.because_arguments_max]
        for argument in possible:
            if argument not in used and self.enough(row, self.candidates(row, argument), placed):
                return argument
        return None

    def candidates(self, row: int, argument: int | None) -> set[int]:
        if (row, argument) not in self._candidates:
            found = self._found(row, argument)
            wanted = {index for index in found if self.asked.wants_in_row(row, index)}
            self._candidates[row, argument] = wanted
        return self._candidates[row, argument]

    def _found(self, row: int, argument: int | None) -> set[int]:
        match self.snapshot.rows[row].source:
            case catalog_pb2.ROW_SOURCE_POPULAR:
                ranked = [i for i in self.popular if i in self.eligible]
                return set(ranked[: self.config.popular_entities_max])
            case catalog_pb2.ROW_SOURCE_RECENT:
                return set(self.recent())
            case catalog_pb2.ROW_SOURCE_CONTINUE:
                offered = self.offered_in_order(self.facts.resume)
                unfinished = [i for i in offered if self.asked.wants(self.snapshot.entities[i])]
                return set(unfinished[: self.config.continue_entities_max])
            case catalog_pb2.ROW_SOURCE_BECAUSE:
                if argument is None:
                    return set()
                genres = self.snapshot.entities[argument].genres
                alike = set[int]().union(*(self.catalog.by_genre[genre] for genre in genres))
                return (alike & self.eligible) - {argument}
        return self.catalog.by_row[row] & self.eligible

    def recent(self) -> list[int]:
        times = [(self.snapshot.entities[i].released_at_ms, i) for i in self.eligible]
        released = [(-at_ms, i) for at_ms, i in times if at_ms is not None]
        now = sorted((at_ms, i) for at_ms, i in released if -at_ms <= self.facts.at_ms)
        return [i for _, i in now][: self.config.recent_entities_max]

    def offered_in_order(self, entity_ids: Sequence[str]) -> list[int]:
        known = self.indices(entity_ids)
        return [index for index in known if self.offered(self.snapshot.entities[index])]

    def indices(self, entity_ids: Sequence[str]) -> list[int]:
        index = self.snapshot.entity_index
        return list(dict.fromkeys(index[name] for name in entity_ids if name in index))

    def wanted(self, entity: CatalogEntity) -> bool:
        return self.offered(entity) and self.asked.wants(entity)

    def offered(self, entity: CatalogEntity) -> bool:
        facts = self.facts
        if entity.retired or entity.entity_id in facts.hidden:
            return False
        if facts.maturity_limit is not None and entity.maturity > facts.maturity_limit:
            return False
        if entity.devices and facts.device not in entity.devices:
            return False
        return not entity.availability or any(
            (window.country == "" or window.country == facts.country)
            and (window.from_ms is None or window.from_ms <= facts.at_ms)
            and (window.until_ms is None or facts.at_ms < window.until_ms)
            for window in entity.availability
        )
