import pytest

from pagecast.streaming.trigger_config import TriggersConfig

OFF = {"events": 0, "new_entities": 0, "drift": 0, "schedule_hours": 0}


def test_triggers_are_on_unless_all_are_switched_off() -> None:
    assert TriggersConfig().on
    assert not TriggersConfig(**OFF).on
    assert TriggersConfig(**{**OFF, "drift": 0.2}).on


@pytest.mark.parametrize(
    ("field", "value"),
    [("events", -1), ("pause_minutes", -0.5), ("drift", 1.0), ("drift_window_events", 0)],
)
def test_a_wrong_value_is_refused_by_name_with_the_remedy(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{field} is {value}.*must"):
        TriggersConfig(**{field: value})
