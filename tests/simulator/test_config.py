"""The config is frozen: its hash is in the documents, and in every report."""

import dataclasses
from pathlib import Path

import pytest

from pagecast.simulator import browsing, reporting, run, session, tastes, watching
from pagecast.simulator import world as worlds
from pagecast.simulator.chance import Chance
from pagecast.simulator.config import (
    DAYPARTS,
    DEVICES,
    AttentionConfig,
    IntentConfig,
    SimulatorConfig,
)

ALIGNMENT = Path(__file__).parents[2] / "docs" / "alignment.md"


def test_the_document_names_the_config_that_is_in_force() -> None:
    assert f"`{SimulatorConfig().sha256}`" in ALIGNMENT.read_text()


def test_another_value_is_another_config() -> None:
    config = SimulatorConfig()
    changed = dataclasses.replace(config, attention=AttentionConfig(row_decay=0.81))
    assert changed.sha256 != config.sha256 == SimulatorConfig().sha256


def test_what_the_hash_does_not_know_is_frozen_with_it() -> None:
    """Another value here is another simulator under the same hash: change a parameter with it."""
    assert (session.PAGES_MAX, session.LONG_MINUTES) == (8, 10.0)
    assert (watching.WATCH_MIN_MINUTES, worlds.MINUTES_MIN) == (0.5, 10.0)
    assert (browsing.SCREEN_TIMES_MAX, reporting.ACT_MS) == (4.0, 2_000)
    assert (run.PAUSE_MS, tastes.SHRINK) == (300_000, 20.0)
    assert (DAYPARTS, DEVICES) == (
        ("night", "morning", "afternoon", "evening"),
        ("tv", "mobile", "web"),
    )


def test_the_order_in_which_shares_are_written_changes_no_draw() -> None:
    usual = IntentConfig()
    other = IntentConfig(
        dayparts=dict(reversed(usual.dayparts.items())),
        devices={part: dict(reversed(of.items())) for part, of in usual.devices.items()},
    )
    assert other == usual
    for number in range(100):
        assert Chance(number).pick(other.dayparts) == Chance(number).pick(usual.dayparts)
        for part, shares in usual.devices.items():
            assert Chance(number).pick(other.devices[part]) == Chance(number).pick(shares)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"dayparts": {"noon": 1.0}}, "intent.dayparts: 'noon' is none of night, morning"),
        ({"devices": {"night": {"watch": 1.0}}}, "intent.devices.night: 'watch' is none of tv"),
        ({"devices": {"noon": {"tv": 1.0}}}, "intent.devices: 'noon' is none of night, morning"),
        ({"minutes": {"watch": 5.0}}, "intent.minutes: 'watch' is none of tv"),
    ],
)
def test_shares_of_what_is_not_there_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        IntentConfig(**given)  # type: ignore[arg-type]
