"""Two-dimensional attention."""

from hypothesis import given
from hypothesis import strategies as st
from simulator.factories_simulator import page_of

from pagecast.simulator.attention import glance, looked_at, screens, sideways
from pagecast.simulator.chance import Chance
from pagecast.simulator.config import AttentionConfig

shares = st.floats(0.0, 1.0)
configs = st.builds(
    AttentionConfig,
    row_decay=shares,
    position_decay=shares,
    scroll_down=shares,
    screens_max=st.integers(1, 5),
)
places = st.integers(0, 12)

PAGE = page_of([[f"m{10 * row + i}" for i in range(10)] for row in range(7)])


@given(configs, places, places)
def test_attention_falls_with_rows_and_positions(
    config: AttentionConfig, row: int, position: int
) -> None:
    assert glance(config, 0, 0) == 1.0
    assert 0.0 <= glance(config, row + 1, position) <= glance(config, row, position)
    assert glance(config, row, position + 1) <= glance(config, row, position)


@given(configs, st.integers())
def test_what_is_looked_at_is_on_the_screen_and_better_places_are_looked_at_oftener(
    config: AttentionConfig, seed: int
) -> None:
    screen = next(screens(config, PAGE))
    looked = {place.entity_id for place in looked_at(config, screen, Chance(seed))}
    assert {"m0"} <= looked <= {place.entity_id for place in screen.places}
    # The same draws, with an entity further up: what was looked at still is.
    moved = page_of([["m21", "m1"], ["m10", "m11"], ["m20"]])
    if "m21" in looked:
        now = looked_at(config, next(screens(config, moved)), Chance(seed))
        assert "m21" in {place.entity_id for place in now}


def test_a_page_is_seen_screen_by_screen() -> None:
    shown = list(screens(AttentionConfig(), PAGE))
    assert [(s.row, len(s.places)) for s in shown] == [(0, 15), (3, 15), (6, 5)]
    assert [p.entity_id for p in shown[0].places[:6]] == ["m0", "m1", "m2", "m3", "m4", "m10"]
    assert [len(row.entity_ids) for row in shown[0].impression().rows] == [5, 5, 5]
    assert len(list(screens(AttentionConfig(screens_max=2), PAGE))) == 2


def test_a_row_that_is_moved_on_shows_its_next_entities() -> None:
    screen = sideways(AttentionConfig(), PAGE, 1)
    assert [p.entity_id for p in screen.places] == ["m15", "m16", "m17", "m18", "m19"]
    assert screen.places[0].placement().entity_position == 5
    assert sideways(AttentionConfig(), page_of([["m0"]]), 0).places == ()
