"""Makers of catalogs and requests for the suites of rules and engine."""

from collections.abc import Iterable, Sequence
from random import Random

from factories import START_MS
from hypothesis import strategies as st

from pagecast.featurestore.catalog.snapshot import (
    CatalogEntity,
    CatalogRow,
    CatalogSnapshot,
    Window,
)
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import AskedRow, KindCap, RequestFacts, RulesConfig
from pagecast.rules.page_state import PageState
from pagecast.v1 import catalog_pb2

DAY_MS = 86_400_000

SEEDS = st.integers(0, 2**32).map(Random)
"""Whole catalogs are made from a seed: drawn value by value they are slow and mostly empty."""

SMALL_LIMITS = RulesConfig(
    row_entities_min=2,
    popular_entities_max=3,
    recent_entities_max=3,
    continue_entities_max=2,
    because_arguments_max=2,
)
"""Small enough for small catalogs to reach."""

GENRES = ("Comedy", "Drama", "Western")
COUNTRIES = ("DE", "FR")
DEVICES = ("tv", "phone")


def entity(entity_id: str, *genres: str, **changes: object) -> CatalogEntity:
    fields: dict[str, object] = {
        "entity_id": entity_id,
        "kind": catalog_pb2.ENTITY_KIND_MOVIE,
        "title": f"Film {entity_id}",
        "number": 1,
        "changed_at_ms": START_MS,
        "genres": genres,
        "attributes": {},
    }
    return CatalogEntity(**(fields | changes))  # type: ignore[arg-type]


def predicate_row(
    row_id: str, predicate: catalog_pb2.Predicate | None = None, **changes: object
) -> CatalogRow:
    """A row with a predicate; without one it holds everything."""
    fields: dict[str, object] = {
        "row_id": row_id,
        "title": row_id.title(),
        "number": 1,
        "predicate": predicate or catalog_pb2.Predicate(everything=True),
    }
    return CatalogRow(**(fields | changes))  # type: ignore[arg-type]


def source_row(row_id: str, source: int, **changes: object) -> CatalogRow:
    fields: dict[str, object] = {"title": row_id.title(), "number": 1, "source": source}
    return CatalogRow(row_id=row_id, **(fields | changes))  # type: ignore[arg-type]


def compare(
    attribute: str, *values: str, comparison: int = catalog_pb2.COMPARISON_IN
) -> catalog_pb2.Predicate:
    return catalog_pb2.Predicate(
        compare=catalog_pb2.Compare(
            attribute=attribute,
            comparison=comparison,  # type: ignore[arg-type]
            values=values,
        )
    )


def both(*predicates: catalog_pb2.Predicate) -> catalog_pb2.Predicate:
    return catalog_pb2.Predicate(all=catalog_pb2.Predicates(items=predicates))


def either(*predicates: catalog_pb2.Predicate) -> catalog_pb2.Predicate:
    return catalog_pb2.Predicate(any=catalog_pb2.Predicates(items=predicates))


def negated(predicate: catalog_pb2.Predicate) -> catalog_pb2.Predicate:
    return catalog_pb2.Predicate(**{"not": predicate})  # type: ignore[arg-type]


def snapshot(
    entities: Iterable[CatalogEntity], rows: Iterable[CatalogRow] = (), number: int = 1
) -> CatalogSnapshot:
    return CatalogSnapshot(number=number, entities=tuple(entities), rows=tuple(rows))


def compiled(entities: Iterable[CatalogEntity], rows: Iterable[CatalogRow] = ()) -> CompiledCatalog:
    return CompiledCatalog(snapshot(entities, rows))


def facts(**changes: object) -> RequestFacts:
    fields: dict[str, object] = {"at_ms": START_MS, "device": "tv", "country": "DE"}
    return RequestFacts(**(fields | changes))  # type: ignore[arg-type]


def fill_row(state: PageState, row: int, entities: Sequence[int] = ()) -> list[int]:
    """Walks a whole row: the entities given, then always the lowest index that may stand."""
    state.begin_row(row)
    placed = []
    for wanted in entities:
        state.place(wanted)
        placed.append(wanted)
    while not state.row_complete:
        placed.append(int(state.candidates_C[state.entity_mask.mask_C][0]))
        state.place(placed[-1])
    state.end_row()
    return placed


ENTITIES_MAX, ROWS_MAX = 60, 12
_ENTITY_IDS = [f"e{i}" for i in range(ENTITIES_MAX)]


def random_snapshot(random: Random) -> CatalogSnapshot:
    """Any catalog: rows of each kind, some pinned, and entities that often satisfy them."""
    entities = random.choice((0, 12, *[ENTITIES_MAX] * 6))
    return snapshot(
        [random_entity(random, entity_id) for entity_id in _ENTITY_IDS[:entities]],
        [random_row(random, f"r{i}") for i in range(random.choice((0, 4, *[ROWS_MAX] * 6)))],
    )


def random_entity(random: Random, entity_id: str, number: int = 1) -> CatalogEntity:
    attributes = {}
    if random.random() < 0.7:
        attributes["year"] = random.choice(("1994", "1999.5", "2003", "unknown", "-4"))
    if random.random() < 0.3:
        attributes["studio"] = random.choice(("A", "B"))
    return entity(
        entity_id,
        *_some(random, GENRES),
        kind=random.randint(1, 4),
        number=number,
        languages=_some(random, ("en", "de", "pt-BR")),
        countries=_some(random, ("US", "GB")),
        maturity=random.choice((0, 0, 6, 12, 18)),
        released_at_ms=random.choice((None, _moment(random))),
        availability=tuple(_window(random) for _ in range(random.choice((0, 0, 0, 0, 0, 1, 2)))),
        attributes=attributes,
        devices=random.choice(((), (), (), (), DEVICES, ("phone",))),
        retired=random.random() < 0.1,
    )


def random_row(random: Random, row_id: str) -> CatalogRow:
    changes: dict[str, object] = {
        "pin": random.choice((None, None, None, 0, 1, 3)),
        "first_entity_ids": tuple(
            random.sample((*_ENTITY_IDS[:9], "nobody"), random.choice((0, 3)))
        ),
        "retired": random.random() < 0.1,
    }
    if random.random() < 0.5:
        return source_row(row_id, random.randint(1, 4), **changes)
    return predicate_row(row_id, random_predicate(random), **changes)


def random_predicate(random: Random, depth: int = 2) -> catalog_pb2.Predicate:
    """Any predicate of at most `depth` levels above its comparisons."""
    if depth == 0 or random.random() < 0.4:
        return _random_leaf(random)
    inner = [random_predicate(random, depth - 1) for _ in range(random.randint(1, 3))]
    return random.choice((both(*inner), either(*inner), negated(inner[0])))


def random_request(random: Random) -> RequestFacts:
    def ids(most: int) -> list[str]:
        return random.choices((*_ENTITY_IDS, "nobody"), k=random.randint(0, most))

    return RequestFacts(
        at_ms=_moment(random),
        device=random.choice((*DEVICES, "", "fridge")),
        country=random.choice((*COUNTRIES, "", "JP")),
        maturity_limit=random.choice((None, None, None, 6, 12)),
        hidden=frozenset(ids(3)),
        watched=frozenset(ids(6)),
        resume=tuple(ids(6)),
        because=tuple(ids(6)),
        rows=random.randint(1, 6),
        entities_per_row=random.randint(1, 5),
        asked_rows=random.choice((None, None, _asked_rows(random))),
        entities=random.choice((None, None, tuple(random.sample(_ENTITY_IDS, 40)), tuple(ids(9)))),
        kind_caps=tuple(
            KindCap(kind=kind, row_max=_cap(random, 3), page_max=_cap(random, 8))
            for kind in random.sample(range(1, 5), random.choice((0, 0, 1, 2, 4)))
        ),
        row_entities_min=random.choice((None, None, 1, 3)),
        watched_again=random.random() < 0.2,
    )


def _asked_rows(random: Random) -> tuple[AskedRow, ...]:
    row_ids = [f"r{i}" for i in range(ROWS_MAX)]
    return tuple(
        AskedRow(
            row_id=row_id,
            entities=random.choice((None, None, tuple(random.sample(_ENTITY_IDS, 20)))),
            entities_min=random.choice((None, 1, 2)),
            entities_max=random.choice((None, 2, 4)),
            pin=random.choice((None, None, 0, 2)),
        )
        for row_id in random.sample((*row_ids, "nowhere"), random.randint(0, ROWS_MAX))
    )


def _cap(random: Random, most: int) -> int | None:
    return random.choice((None, random.randint(0, most)))


def _random_leaf(random: Random) -> catalog_pb2.Predicate:
    if random.random() < 0.2:
        return catalog_pb2.Predicate(everything=True)
    attribute = random.choice(
        ("kind", "genre", "genre", "language", "country", "maturity", "released_at_ms",
         "entity_id", "attributes.year", "attributes.studio")
    )  # fmt: skip
    if random.random() < 0.5:
        texts = (*GENRES, "movie", "live_event", "en", "US", "12", "2003", "A", *_ENTITY_IDS[:4])
        return compare(attribute, *random.sample(texts, random.randint(1, 6)))
    bound = random.choice(("-4", "0", "6", "12.0", "18", "1999.5", "2000", str(START_MS)))
    comparisons = (catalog_pb2.COMPARISON_GREATER_OR_EQUAL, catalog_pb2.COMPARISON_LESS)
    return compare(attribute, bound, comparison=random.choice(comparisons))


def _moment(random: Random) -> int:
    return START_MS + random.randint(-3, 3) * DAY_MS


def _window(random: Random) -> Window:
    start = random.choice((None, _moment(random)))
    end = random.choice((None, _moment(random)))
    if start is not None and end is not None and end <= start:
        end = start + 1
    return Window(country=random.choice(("", *COUNTRIES)), from_ms=start, until_ms=end)


def _some(random: Random, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(random.sample(values, random.randint(0, len(values))))
