"""Where, when and on what an entity may be placed."""

import pytest
from factories import START_MS
from hypothesis import given
from hypothesis import strategies as st
from rules.factories_rules import entity

from pagecast.featurestore.catalog.snapshot import Window
from pagecast.rules import bitsets
from pagecast.rules.availability import Availability

ALWAYS, GERMANY, MATCH, TV = range(4)

ENDS = st.none() | st.integers(0, 5)


def a_window(country: str, one_end: int | None, other_end: int | None) -> Window:
    """`until` is after `from`, as the protos want it."""
    if one_end is None or other_end is None:
        return Window(country=country, from_ms=one_end, until_ms=other_end)
    begins, ends = sorted((one_end, other_end))
    return Window(country=country, from_ms=begins, until_ms=ends + 1)


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


@given(
    st.lists(st.builds(a_window, *[st.sampled_from(("", "DE", "FR")), ENDS, ENDS]), max_size=6),
    st.lists(st.tuples(st.sampled_from(("", "DE", "FR", "JP")), st.integers(-1, 6)), max_size=9),
)
def test_what_is_kept_for_a_moment_is_true_for_every_moment_it_is_used_for(
    windows: list[Window], asked: list[tuple[str, int]]
) -> None:
    availability = Availability([entity("e", availability=(window,)) for window in windows])
    for country, at_ms in asked:
        found_W = availability.here_and_now(country, at_ms)
        expected = [
            i
            for i, window in enumerate(windows)
            if window.country in ("", country)
            and (window.from_ms is None or window.from_ms <= at_ms)
            and (window.until_ms is None or at_ms < window.until_ms)
        ]
        assert bitsets.members(found_W, len(windows)).tolist() == expected


@pytest.mark.parametrize(
    ("device", "expected"),
    [("tv", {0, 1, 2, 3}), ("console", {0, 1, 2, 3}), ("fridge", {0, 1, 2}), ("", {0, 1, 2})],
)
def test_an_entity_made_for_some_devices_is_placed_on_those_alone(
    device: str, expected: set[int]
) -> None:
    assert set(bitsets.members(AVAILABILITY.on(device), 4).tolist()) == expected
