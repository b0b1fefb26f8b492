"""Each record counts once, by its age."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import START_MS, event_id, play, rate, timestamp

from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.popularity import HALF_LIFE_MS, Popularity
from pagecast.streaming.counting import LogCounts
from pagecast.v1 import events_pb2


@pytest.fixture
def popularity(tmp_path: Path) -> Iterator[Popularity]:
    engine = connect(f"sqlite:///{tmp_path / 'pagecast.db'}")
    migrate(engine)
    yield Popularity(engine)
    engine.dispose()


def logged(
    offset: int, event: events_pb2.InteractionEvent, *, partition: int = 0, topic_id: str = "log"
) -> LoggedEvent:
    return LoggedEvent(topic_id=topic_id, partition=partition, offset=offset, event=event)


def test_plays_ratings_and_purchases_count_and_the_rest_does_not(popularity: Popularity) -> None:
    def event(name: str, **fields: object) -> events_pb2.InteractionEvent:
        made = events_pb2.InteractionEvent(
            event_id=event_id(START_MS, name), user_id="ann", occurred_at=timestamp(START_MS)
        )
        for field, value in {"entity_id": name, **fields}.items():
            setattr(getattr(made, name), field, value)
        return made

    events = [event("purchase"), event("click"), event("hide"), event("stop", completed=True)]
    events += [play("ann", "played"), rate("ann", "rated", 1.0), rate("bob", "rated", 5.0)]
    LogCounts(popularity).add([logged(i, e) for i, e in enumerate(events)])
    assert popularity.scores() == {"rated": 2.0, "played": 1.0, "purchase": 1.0}


def test_within_a_batch_older_events_weigh_less(popularity: Popularity) -> None:
    events = [play("ann", "old", START_MS), play("ann", "new", START_MS + HALF_LIFE_MS)]
    LogCounts(popularity).add([logged(i, e) for i, e in enumerate(events)])
    assert popularity.scores() == pytest.approx({"new": 1.0, "old": 0.5})


def test_what_a_replay_brings_again_does_not_count_again(popularity: Popularity) -> None:
    events = [logged(i, play("ann", f"film-{i}")) for i in range(4)]
    LogCounts(popularity).add(events[:3])
    counts = LogCounts(popularity)
    counts.add(events)
    counts.add(events)
    assert popularity.scores() == {f"film-{i}": 1.0 for i in range(4)}


def test_each_partition_and_each_log_has_its_own_position(popularity: Popularity) -> None:
    counts = LogCounts(popularity)
    event = play("ann", "heat")
    counts.add([logged(7, event), logged(7, event, partition=1)])
    counts.add([logged(0, event, topic_id="new log"), logged(3, event, partition=1)])
    assert popularity.scores() == {"heat": 3.0}
