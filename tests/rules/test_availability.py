"""Where, when and on what an entity may be placed."""

import pytest
from factories import START_MS
from rules.factories_rules import entity

from pagecast.featurestore.snapshot import Window
from pagecast.rules import bitsets
from pagecast.rules.availability import Availability

ALWAYS, GERMANY, MATCH, TV = range(4)

AVAILABILITY = Availability(
    (
        entity("always"),
        entity("germany", availability=(Window(country="DE"),)),
        entity("match", availability=(Window(from_ms=START_MS, until_ms=START_MS + 100),)),
        entity("tv", devices=("tv", "console")),
    )
)


@pytest.mark.parametrize(
    ("country", "after_ms", "expected"),
    [
        ("DE", 0, {ALWAYS, GERMANY, MATCH, TV}),
        ("FR", 0, {ALWAYS, MATCH, TV}),
        ("", 0, {ALWAYS, MATCH, TV}),
        ("FR", -1, {ALWAYS, TV}),
        ("FR", 99, {ALWAYS, MATCH, TV}),
        ("FR", 100, {ALWAYS, TV}),
    ],
)
def test_a_window_counts_in_its_country_from_its_first_to_before_its_last_instant(
    country: str, after_ms: int, expected: set[int]
) -> None:
    available_W = AVAILABILITY.here_and_now(country, START_MS + after_ms)
    assert set(bitsets.members(available_W, 4).tolist()) == expected


def test_one_of_several_windows_is_enough() -> None:
    windows = (
        Window(country="DE", until_ms=START_MS),
        Window(country="DE", from_ms=START_MS + 10),
        Window(country="FR"),
    )
    availability = Availability([entity("e", availability=windows)])
    open_at = [
        bool(bitsets.holds(availability.here_and_now("DE", START_MS + ms), 0))
        for ms in (-1, 0, 9, 10)
    ]
    assert open_at == [True, False, False, True]


@pytest.mark.parametrize(
    ("device", "expected"),
    [("tv", {0, 1, 2, 3}), ("console", {0, 1, 2, 3}), ("fridge", {0, 1, 2}), ("", {0, 1, 2})],
)
def test_an_entity_made_for_some_devices_is_placed_on_those_alone(
    device: str, expected: set[int]
) -> None:
    assert set(bitsets.members(AVAILABILITY.on(device), 4).tolist()) == expected
