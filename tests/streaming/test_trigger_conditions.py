"""What each trigger counts, and when it holds."""

import os
import random
from collections import Counter

from factories import START_MS, play, rate
from streaming.factories_erasing import logged

from pagecast.featurestore.trainings.trigger_states import TriggerState
from pagecast.streaming.trigger_conditions import (
    HOUR_MS,
    Condition,
    Moment,
    Seen,
    drift,
    enough_events,
    new_entities,
    schedule,
)
from pagecast.streaming.trigger_config import TriggersConfig
from pagecast.v1 import events_pb2

SEED = int(os.environ.get("PAGECAST_TEST_SEED", "1"))
CONFIG = TriggersConfig(
    events=100, new_entities=3, drift=0.1, drift_window_hours=24, drift_window_events=5000,
    schedule_hours=12,
)  # fmt: skip
NOTHING = Seen()


class Watched:
    """One trigger, looked at again and again."""

    def __init__(self, condition: Condition, config: TriggersConfig = CONFIG) -> None:
        self._condition = condition
        self._config = config
        self.state = TriggerState(since_ms=START_MS)

    def look(
        self,
        seen: Seen = NOTHING,
        *,
        hours: float = 0,
        asked: float | None = None,
        entities: int = 0,
    ) -> str | None:
        """What holds `hours` after the beginning, when something was asked for at `asked`."""
        moment = Moment(
            now_ms=_ms(hours), asked_ms=0 if asked is None else _ms(asked), entities=entities
        )
        return self._condition(self._config, self.state, seen, moment)


def _ms(hours: float) -> int:
    return START_MS + int(hours * HOUR_MS)


def events(count: int) -> Seen:
    return Seen(actions=Counter({"click": count}))


def test_events_that_make_a_step_are_counted_by_action_and_entity() -> None:
    nothing_yet = events_pb2.InteractionEvent(impression=events_pb2.Impression())
    search = events_pb2.InteractionEvent(search=events_pb2.Search(query="q"))
    rows = [play("ann", "heat"), play("bob", "heat"), rate("ann", "alien"), nothing_yet, search]
    seen = Seen.of([logged(row, offset) for offset, row in enumerate(rows)])
    assert seen.actions == {"play_feature": 2, "rate": 1, "search": 1}
    assert seen.entities == {"heat": 2, "alien": 1}
    assert seen.events == 4


def test_so_many_events_hold_until_something_is_asked_for() -> None:
    watched = Watched(enough_events)
    assert watched.look(events(60)) is None
    assert watched.look(events(40)) == "100 events since 2026-01-05T12:00:00Z"
    assert watched.look() is not None, "it holds until there is a request"
    assert watched.look(events(99), hours=1, asked=0.5) is None
    assert watched.look(events(1), hours=1, asked=0.5) == "100 events since 2026-01-05T12:30:00Z"


def test_new_entities_are_those_since_the_last_request() -> None:
    watched = Watched(new_entities)
    assert watched.look(asked=0, entities=50) is None, "those that were there when it first looked"
    assert watched.look(asked=0, entities=52) is None
    assert watched.look(asked=0, entities=53) == "3 new entities since 2026-01-05T12:00:00Z"
    assert watched.look(hours=2, asked=1, entities=53) is None
    assert watched.look(hours=2, asked=1, entities=55) is None
    assert watched.look(hours=2, asked=1, entities=56) is not None


def test_a_catalog_that_comes_in_before_the_first_training_is_not_new() -> None:
    watched = Watched(new_entities)
    assert watched.look(entities=0) is None
    assert watched.look(entities=1000) is None
    assert watched.look(hours=1, asked=1, entities=1000) is None
    assert watched.look(hours=1, asked=1, entities=1003) is not None


def test_it_is_time_when_nothing_was_asked_for_that_long() -> None:
    watched = Watched(schedule)
    assert watched.look(hours=11.9) is None
    assert watched.look(hours=12) == "12.0 hours since 2026-01-05T12:00:00Z"
    assert watched.look(hours=13, asked=12) is None
    assert watched.look(hours=24, asked=12) is not None


def test_what_is_switched_off_never_holds() -> None:
    off = TriggersConfig(events=0, new_entities=0, drift=0, schedule_hours=0)
    for condition in (enough_events, new_entities, drift, schedule):
        watched = Watched(condition, off)
        for hours in (0, 30, 60):
            assert watched.look(evening(hours), hours=hours, entities=10**6 * hours) is None


def evening(seed: int, *, rises: float = 0.0, likes: float = 0.0, count: int = 6000) -> Seen:
    """What people do: a long tail of films; `rises` of it on a new one, `likes` as ratings."""
    rng = random.Random(SEED * 1000 + seed)
    films = [f"film-{i}" for i in range(500)]
    weights = [1 / (i + 1) for i in range(500)]
    chosen = Counter(rng.choices(films, weights, k=round(count * (1 - rises))))
    chosen["blockbuster"] = count - chosen.total()
    rated = sum(rng.random() < 0.05 + likes for _ in range(count))
    return Seen(actions=Counter(play_feature=count - rated, rate=rated), entities=chosen)


def test_sampling_noise_is_no_drift() -> None:
    watched = Watched(drift)
    for day in range(12):
        assert watched.look(evening(day), hours=24 * (day + 1)) is None, f"seed {SEED}"


def test_entities_that_people_never_watched_before_are_drift() -> None:
    watched = Watched(drift)
    assert watched.look(evening(1), hours=24) is None, "the first window is the reference"
    assert watched.look(evening(2), hours=48) is None
    told = watched.look(evening(3, rises=0.3), hours=72)
    assert told is not None
    assert told.startswith("entities are 0.1")


def test_people_who_do_something_else_are_drift() -> None:
    watched = Watched(drift)
    watched.look(evening(1), hours=24)
    told = watched.look(evening(2, likes=0.5), hours=48)
    assert told is not None
    assert told.startswith("actions are 0.")


def test_a_window_is_a_day_and_enough_events() -> None:
    watched = Watched(drift)
    watched.look(evening(1), hours=24)
    assert watched.look(evening(2, rises=0.9), hours=47.9) is None, "the day is not over"
    short = Watched(drift)
    short.look(evening(1), hours=24)
    assert short.look(evening(2, rises=0.9, count=4000), hours=48) is None, "too few to tell"
    assert short.look(evening(3, rises=0.9, count=1000), hours=49) is not None


def test_drift_holds_until_it_was_asked_for_and_is_the_new_normal_then() -> None:
    watched = Watched(drift)
    watched.look(evening(1), hours=24, asked=1)
    assert watched.look(evening(2, rises=0.4), hours=48, asked=47.5) is not None
    assert watched.look(hours=48.1, asked=47.5) is not None, "asked before it was seen: a pause"
    assert watched.look(hours=48.5, asked=48.3) is None
    assert watched.look(evening(3, rises=0.4), hours=73, asked=48.3) is None
    assert watched.look(evening(4), hours=98, asked=48.3) is not None, "back is drift as well"


def test_slow_drift_is_measured_from_the_last_request() -> None:
    watched = Watched(drift)
    for day in range(1, 8):
        asked = 24.0 * (day - 1) + 1
        told = watched.look(evening(day, rises=0.06 * day), hours=24 * day, asked=asked)
        assert told is None, f"day {day}: every model has seen nearly this"
    forgotten = Watched(drift)
    told_on = [
        day
        for day in range(1, 8)
        if forgotten.look(evening(day, rises=0.06 * day), hours=24 * day) is not None
    ]
    assert told_on, "no model has seen it"


def test_a_state_has_a_fixed_size_whatever_the_catalog_has() -> None:
    watched = Watched(drift)
    many = Seen(
        actions=Counter(click=50_000), entities=Counter({f"e{i}": 1 for i in range(50_000)})
    )
    watched.look(many, hours=24)
    watched.look(many, hours=48)
    assert len(repr(watched.state)) < 5_000
