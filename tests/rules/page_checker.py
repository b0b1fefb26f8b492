"""An independent reading of the rules: plain Python over the catalog, one entity at a time.

It shares no code with the masks and decides from the finished page alone whether a rule is broken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pagecast.featurestore.snapshot import CatalogEntity, CatalogRow, CatalogSnapshot
from pagecast.rules.facts import RequestFacts, RulesConfig
from pagecast.v1 import catalog_pb2, homepage_pb2

KINDS = {1: "movie", 2: "show", 3: "game", 4: "live_event"}


@dataclass(frozen=True)
class PlacedRow:
    row: int
    argument: int | None
    entities: tuple[int, ...]


class PageChecker:
    """Checks pages of one request."""

    def __init__(
        self,
        snapshot: CatalogSnapshot,
        facts: RequestFacts,
        popular: Sequence[int],
        config: RulesConfig,
    ) -> None:
        self.snapshot, self.facts = snapshot, facts
        self.popular, self.config = popular, config

    def check(self, page: Sequence[PlacedRow], finish_reason: int) -> None:
        """Raises AssertionError if the page breaks a rule, or ends before it must."""
        used_rows: set[int] = set()
        used_arguments: set[int] = set()
        placed: set[int] = set()
        for position, stands in enumerate(page):
            may_begin = self.rows_that_may_begin(position, used_rows, used_arguments, placed)
            assert stands.row in may_begin, (position, stands, may_begin)
            argument = self.argument_of(stands.row, used_arguments, placed)
            assert stands.argument == argument, (stands, argument)
            self.check_entities(stands, placed)
            used_rows.add(stands.row)
            placed |= set(stands.entities)
            used_arguments |= set() if argument is None else {argument}
        if len(page) == self.facts.rows:
            assert finish_reason == homepage_pb2.FINISH_REASON_ROWS
        else:
            assert finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE
            assert not self.rows_that_may_begin(len(page), used_rows, used_arguments, placed)

    def check_entities(self, stands: PlacedRow, placed: set[int]) -> None:
        candidates = self.candidates(stands.row, stands.argument)
        assert len(set(stands.entities)) == len(stands.entities), "an entity twice in a row"
        assert not placed & set(stands.entities), "an entity twice on a page"
        assert set(stands.entities) <= candidates, "an entity that may not stand in the row"
        left = candidates - placed
        assert len(stands.entities) == min(self.facts.entities_per_row, len(left)), "row length"
        first = [
            index
            for entity_id in self.snapshot.rows[stands.row].first_entity_ids
            for index, entity in enumerate(self.snapshot.entities)
            if entity.entity_id == entity_id and index in left
        ]
        expected = tuple(first[: self.facts.entities_per_row])
        assert stands.entities[: len(expected)] == expected, "first entities"

    def rows_that_may_begin(
        self, position: int, used_rows: set[int], used_arguments: set[int], placed: set[int]
    ) -> set[int]:
        able = {
            index
            for index, row in enumerate(self.snapshot.rows)
            if index not in used_rows
            and not row.retired
            and self.can_begin(index, used_arguments, placed)
        }
        pinned_here = {index for index in able if self.snapshot.rows[index].pin == position}
        return pinned_here or {i for i in able if self.snapshot.rows[i].pin is None}

    def can_begin(self, row: int, used_arguments: set[int], placed: set[int]) -> bool:
        if self.snapshot.rows[row].source == catalog_pb2.ROW_SOURCE_BECAUSE:
            return self.argument_of(row, used_arguments, placed) is not None
        return len(self.candidates(row, None) - placed) >= self.entities_min(row)

    def entities_min(self, row: int) -> int:
        unfinished = self.snapshot.rows[row].source == catalog_pb2.ROW_SOURCE_CONTINUE
        least = self.config.continue_entities_min if unfinished else self.config.row_entities_min
        return min(least, self.facts.entities_per_row)

    def argument_of(self, row: int, used: set[int], placed: set[int]) -> int | None:
        if self.snapshot.rows[row].source != catalog_pb2.ROW_SOURCE_BECAUSE:
            return None
        possible = self.offered_in_order(self.facts.because)[: self.config.because_arguments_max]
        for argument in possible:
            left = self.candidates(row, argument) - placed
            if argument not in used and len(left) >= self.entities_min(row):
                return argument
        return None

    def candidates(self, row: int, argument: int | None) -> set[int]:
        entities = self.snapshot.entities
        shelf = self.snapshot.rows[row]
        eligible = [i for i, e in enumerate(entities) if self.offered(e) and not self.watched(e)]
        match shelf.source:
            case catalog_pb2.ROW_SOURCE_POPULAR:
                ranked = [i for i in self.popular if i in eligible]
                return set(ranked[: self.config.popular_entities_max])
            case catalog_pb2.ROW_SOURCE_RECENT:
                return set(self.recent(eligible))
            case catalog_pb2.ROW_SOURCE_CONTINUE:
                unfinished = self.offered_in_order(self.facts.resume)
                return set(unfinished[: self.config.continue_entities_max])
            case catalog_pb2.ROW_SOURCE_BECAUSE:
                assert argument is not None
                genres = set(entities[argument].genres)
                return {i for i in eligible if i != argument and genres & set(entities[i].genres)}
        return {i for i in eligible if holds(shelf, entities[i])}

    def recent(self, eligible: list[int]) -> list[int]:
        times = [(self.snapshot.entities[i].released_at_ms, i) for i in eligible]
        released = [(-at_ms, i) for at_ms, i in times if at_ms is not None]
        now = sorted((at_ms, i) for at_ms, i in released if -at_ms <= self.facts.at_ms)
        return [i for _, i in now][: self.config.recent_entities_max]

    def offered_in_order(self, entity_ids: Sequence[str]) -> list[int]:
        found: list[int] = []
        for entity_id in entity_ids:
            for index, entity in enumerate(self.snapshot.entities):
                known = entity.entity_id == entity_id and index not in found
                if known and self.offered(entity):
                    found.append(index)
        return found

    def watched(self, entity: CatalogEntity) -> bool:
        return entity.entity_id in self.facts.watched

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


def holds(row: CatalogRow, entity: CatalogEntity) -> bool:
    return row.predicate is not None and predicate_holds(row.predicate, entity)


def predicate_holds(predicate: catalog_pb2.Predicate, entity: CatalogEntity) -> bool:
    node = predicate.WhichOneof("node")
    if node == "all":
        return all(predicate_holds(item, entity) for item in predicate.all.items)
    if node == "any":
        return any(predicate_holds(item, entity) for item in predicate.any.items)
    if node == "not":
        return not predicate_holds(getattr(predicate, "not"), entity)
    if node == "everything":
        return True
    return compare_holds(predicate.compare, entity)


def compare_holds(compare: catalog_pb2.Compare, entity: CatalogEntity) -> bool:
    texts = attribute_texts(compare.attribute, entity)
    if compare.comparison == catalog_pb2.COMPARISON_IN:
        return any(text in compare.values for text in texts)
    bound = Decimal(compare.values[0])
    numbers = [number for number in map(as_number, texts) if number is not None]
    if compare.comparison == catalog_pb2.COMPARISON_LESS:
        return any(number < bound for number in numbers)
    return any(number >= bound for number in numbers)


def attribute_texts(attribute: str, entity: CatalogEntity) -> list[str]:
    plain = {
        "kind": [KINDS[entity.kind]],
        "genre": list(entity.genres),
        "language": list(entity.languages),
        "country": list(entity.countries),
        "maturity": [str(entity.maturity)],
        "released_at_ms": [] if entity.released_at_ms is None else [str(entity.released_at_ms)],
        "entity_id": [entity.entity_id],
    }
    if attribute in plain:
        return plain[attribute]
    name = attribute.split(".", 1)[1]
    return [entity.attributes[name]] if name in entity.attributes else []


def as_number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
