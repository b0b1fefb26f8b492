from dataclasses import replace

import pytest
from factories import START_MS
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot, Window
from pagecast.featurestore.prompt.context import (
    INJECTED_MAX,
    NO_CONTEXT,
    NOTHING_INJECTED,
    SUMMARIES_MAX,
    ContextConfig,
    Injected,
    inject,
)
from pagecast.v1 import catalog_pb2

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

CONFIG = ContextConfig(new_max=3, new_days=7, live_max=2)


def film(entity_id: str, released_ms: int | None, **fields: object) -> CatalogEntity:
    known = {"kind": 1, "title": "T", "number": 1, "changed_at_ms": START_MS, "attributes": {}}
    known["released_at_ms"] = released_ms
    return CatalogEntity(entity_id=entity_id, **known | fields)


def match(entity_id: str, *windows: Window, **fields: object) -> CatalogEntity:
    kind = catalog_pb2.ENTITY_KIND_LIVE_EVENT
    return film(entity_id, None, **{"kind": kind, "availability": windows} | fields)


def injected(
    *entities: CatalogEntity, at_ms: int = START_MS, country: str = "NL", **changes: int
) -> Injected:
    catalog = CatalogSnapshot(number=1, entities=entities, rows=())
    return inject(catalog, at_ms=at_ms, country=country, config=replace(CONFIG, **changes))


def test_new_is_what_was_released_within_so_many_days_the_latest_first() -> None:
    entities = [
        film("a week", START_MS - 7 * DAY_MS),
        film("more than a week", START_MS - 7 * DAY_MS - 1),
        film("now", START_MS),
        film("in a moment", START_MS + 1),
        film("who knows", None),
        film("yesterday", START_MS - DAY_MS),
    ]
    assert injected(*entities).new == ("now", "yesterday", "a week")


def test_equally_late_ones_are_in_the_order_of_their_ids() -> None:
    assert injected(*(film(name, START_MS) for name in "cadb")).new == ("a", "b", "c")


def test_what_is_retired_is_neither_new_nor_live() -> None:
    gone = film("gone", START_MS, retired=True)
    assert injected(gone, match("off", Window(), retired=True)) == NOTHING_INJECTED


def test_live_is_a_live_event_with_a_window_that_is_open_here_and_now() -> None:
    until = START_MS + HOUR_MS
    entities = [
        match("on", Window(from_ms=START_MS, until_ms=until)),
        match("over", Window(from_ms=START_MS - HOUR_MS, until_ms=START_MS)),
        match("later", Window(from_ms=START_MS + 1)),
        match("elsewhere", Window(country="FR")),
        match("here", Window(country="NL", from_ms=START_MS - 1)),
        match("never said when"),
        film("a film", None, availability=(Window(),)),
    ]
    assert injected(*entities).live == ("on", "here")


def test_an_entity_is_named_once() -> None:
    twice = match("m", Window(from_ms=1), Window(country="NL"), released_at_ms=START_MS)
    assert injected(twice, film("f", START_MS)) == Injected(new=("f",), live=("m",))


def test_no_more_are_named_than_the_config_says() -> None:
    films = [film(f"f{n}", START_MS - n) for n in range(5)]
    matches = [match(f"m{n}", Window(from_ms=START_MS - n)) for n in range(5)]
    assert injected(*films, *matches) == Injected(new=("f0", "f1", "f2"), live=("m0", "m1"))
    assert injected(*films, *matches, new_max=0, live_max=0) == NOTHING_INJECTED


@given(
    released=st.lists(st.integers(START_MS - 9 * DAY_MS, START_MS + DAY_MS), max_size=8),
    at_ms=st.integers(START_MS - DAY_MS, START_MS),
)
def test_what_comes_after_a_request_leaves_its_prompt_as_it_was(
    released: list[int], at_ms: int
) -> None:
    entities = [film(f"f{n}", moment) for n, moment in enumerate(released)]
    known = [entity for entity in entities if (entity.released_at_ms or 0) <= at_ms]
    assert injected(*entities, at_ms=at_ms) == injected(*known, at_ms=at_ms)


@pytest.mark.parametrize(
    "fields",
    [
        {"summaries_max": SUMMARIES_MAX + 1},
        {"new_max": INJECTED_MAX + 1},
        {"live_max": INJECTED_MAX + 1},
        {"new_max": -1},
        {"new_days": -1},
    ],
)
def test_a_context_is_bounded(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(NO_CONTEXT, **fields)
