from factories_featurestore import history_with

from pagecast.featurestore.history.history import Action, Step


def test_watched_reaches_as_far_as_the_window_and_the_completed_set() -> None:
    history = history_with(
        Step(occurred_at_ms=1, action=Action.CLICK, entity_id="clicked"),
        Step(occurred_at_ms=2, action=Action.PLAY_FEATURE, entity_id="played"),
        Step(occurred_at_ms=3, action=Action.PLAY_TRAILER, entity_id="trailer"),
        Step(occurred_at_ms=4, action=Action.RATE, entity_id="rated"),
        Step(occurred_at_ms=5, action=Action.RATE),
        completed={"long ago": None},
    )
    assert history.watched() == {"played", "rated", "long ago"}
