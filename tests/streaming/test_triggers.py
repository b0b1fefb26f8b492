"""A training is asked for once for every reason, whoever looks, dies or reads again."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from eventlog.factories_eventlog import read_all
from factories import START_MS, movie, play, upsert
from factories_databases import migrated
from factories_forking import forking
from streaming.factories_erasing import logged
from streaming.factories_streaming import ingest, send

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import TRAININGS
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.requests import PUBLISHING_MS_MAX, TrainingRequest
from pagecast.streaming.trigger_config import Trigger, TriggersConfig
from pagecast.streaming.triggers import Triggers
from pagecast.v1 import training_pb2

HOUR_MS = 3_600_000
OFF = {"events": 0, "new_entities": 0, "drift": 0.0, "schedule_hours": 0.0}
EVENTS = TriggersConfig(**{**OFF, "events": 10}, pause_minutes=0)  # type: ignore[arg-type]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'pagecast.db'}"


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    made = migrated(url)
    yield made
    made.dispose()


def only(**changes: float) -> TriggersConfig:
    """One trigger alone."""
    return TriggersConfig(**{**OFF, "pause_minutes": 0, **changes})  # type: ignore[arg-type]


def rows(begin: int, end: int, entity_id: str = "heat", partition: int = 0) -> list[LoggedEvent]:
    return [
        logged(play("ann", entity_id, START_MS + offset), offset)._replace(partition=partition)
        for offset in range(begin, end)
    ]


def requests_of(
    triggers: Triggers, batches: Sequence[Sequence[LoggedEvent]], step_ms: int = 1000
) -> list[TrainingRequest]:
    """What is requested when these batches are observed, one a step."""
    made = [triggers.observe(batch, START_MS + i * step_ms) for i, batch in enumerate(batches)]
    return [request for request in made if request is not None]


def test_events_ask_once_for_so_many(engine: sa.Engine) -> None:
    triggers = Triggers(engine, EVENTS)
    made = requests_of(triggers, [rows(0, 9), rows(9, 12), [], rows(12, 21), [], rows(21, 22)])
    assert [request.trigger for request in made] == [Trigger.EVENTS] * 2
    assert [request.detail.split()[0] for request in made] == ["12", "10"]
    assert len({request.request_id for request in made}) == 2


def test_a_replay_asks_for_nothing(engine: sa.Engine) -> None:
    triggers = Triggers(engine, EVENTS)
    assert requests_of(triggers, [rows(0, 9), rows(0, 9), rows(3, 9)]) == []
    assert requests_of(Triggers(engine, EVENTS), [rows(0, 9), rows(5, 9)]) == [], "a restart"
    [request] = requests_of(triggers, [rows(4, 10)])
    assert request.detail.startswith("10 events"), "of a batch replayed in part the new ones count"


def test_partitions_are_counted_each_by_itself(engine: sa.Engine) -> None:
    triggers = Triggers(engine, EVENTS)
    batch = [
        event for pair in zip(rows(0, 4), rows(0, 4, partition=1), strict=True) for event in pair
    ]
    assert requests_of(triggers, [batch, batch]) == []
    assert len(requests_of(triggers, [rows(4, 6, partition=1)])) == 1


def test_a_new_model_is_as_good_as_a_request(engine: sa.Engine) -> None:
    triggers = Triggers(engine, EVENTS)
    now_ms = START_MS
    assert triggers.observe(rows(0, 9), now_ms) is None
    record = Registry(engine).register("v1", parent_version=None, metrics={}, data={})
    assert record.created_at_ms > now_ms
    assert triggers.observe(rows(9, 11), record.created_at_ms + 1) is None, "it has seen the nine"


def test_new_entities_ask_once(engine: sa.Engine) -> None:
    triggers = Triggers(engine, only(new_entities=2, events=10))
    assert triggers.observe(rows(0, 10), START_MS - 1), "to what is new there must be an older one"
    catalog = Catalog(engine)
    made = []
    for offset in range(4):
        made.append(triggers.observe([], START_MS + offset))
        at = LogOffset(topic_id="c", partition=0, offset=offset)
        catalog.apply([(at, upsert(movie(f"film-{offset}")))])
    made.append(triggers.observe([], START_MS + 4))
    made.append(triggers.observe([], START_MS + 5))
    assert [r.detail.split(" since")[0] for r in made if r] == ["2 new entities"] * 2


def test_drift_asks_once(engine: sa.Engine) -> None:
    config = only(drift=0.1, drift_window_hours=1, drift_window_events=10)
    triggers = Triggers(engine, config)
    usual, other = rows(0, 10), rows(20, 30, "blockbuster")
    batches = [[], usual, rows(10, 20), other, [], rows(30, 40, "blockbuster"), []]
    [request] = requests_of(triggers, batches, HOUR_MS)
    assert request.trigger == Trigger.DRIFT
    assert request.occurred_at_ms == START_MS + 3 * HOUR_MS


def test_the_schedule_asks_without_any_event(engine: sa.Engine) -> None:
    triggers = Triggers(engine, only(schedule_hours=6))
    made = requests_of(triggers, [[]] * 14, HOUR_MS)
    hours = [(request.occurred_at_ms - START_MS) // HOUR_MS for request in made]
    assert hours == [6, 12]


def test_reasons_that_hold_together_are_one_request(engine: sa.Engine) -> None:
    triggers = Triggers(engine, only(events=10, schedule_hours=1))
    triggers.observe([], START_MS)
    request = triggers.observe(rows(0, 20), START_MS + 2 * HOUR_MS)
    assert request is not None
    assert request.trigger == Trigger.EVENTS
    assert triggers.observe([], START_MS + 2 * HOUR_MS + 1) is None


def test_a_pause_is_kept_whatever_the_reasons(engine: sa.Engine) -> None:
    triggers = Triggers(engine, only(events=10, schedule_hours=0.1, pause_minutes=60))
    batches = [rows(i * 10, i * 10 + 10) for i in range(25)]
    made = requests_of(triggers, batches, HOUR_MS // 10)
    assert [(r.occurred_at_ms - START_MS) / HOUR_MS for r in made] == [0.0, 1.0, 2.0]
    assert made[1].detail.startswith("100 events"), "what was counted in the pause counts"


def test_what_is_switched_off_touches_no_database() -> None:
    engine = sa.create_engine("sqlite:////nowhere/at/all.db")
    triggers = Triggers(engine, only())
    assert triggers.observe(rows(0, 100), START_MS) is None


def test_two_workers_ask_once(url: str, engine: sa.Engine) -> None:
    made: list[TrainingRequest] = []
    barrier = threading.Barrier(2)

    def work(partition: int) -> None:
        own = connect(url)
        triggers = Triggers(own, TriggersConfig(events=10, drift=0.0))
        barrier.wait()
        for i in range(10):
            batch = rows(i * 5, i * 5 + 5, partition=partition)
            if (request := triggers.observe(batch, START_MS + i)) is not None:
                made.append(request)
        own.dispose()

    threads = [threading.Thread(target=work, args=(partition,)) for partition in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [request.trigger for request in made] == [Trigger.EVENTS]
    assert made[0].detail.startswith("10 events")


def test_a_request_is_read_back_from_its_topic(engine: sa.Engine, bootstrap: str) -> None:
    triggers = Triggers(engine, EVENTS)
    with EventProducer(bootstrap) as producer:
        assert triggers.publish(producer, START_MS) == 0
        request = triggers.observe(rows(0, 10), START_MS)
        assert request is not None
        assert triggers.publish(producer, START_MS) == 1
        assert triggers.publish(producer, START_MS + PUBLISHING_MS_MAX) == 0
    [record] = read_all(bootstrap, TRAININGS, 1)
    message = training_pb2.TrainingRequested.FromString(record.value or b"")
    assert record.key == request.request_id.encode()
    assert message.request_id == request.request_id
    assert message.trigger == training_pb2.TRAINING_TRIGGER_EVENTS
    assert message.detail == "10 events since 2026-01-05T12:00:00Z"
    assert message.occurred_at.ToMilliseconds() == START_MS


@pytest.mark.parametrize(("place", "records"), [("requested", 1), ("published", 2)])
def test_a_worker_killed_before_it_noted_it_is_one_request(
    place: str, records: int, url: str, engine: sa.Engine, bootstrap: str
) -> None:
    process = forking().Process(target=_request_and_die, args=(url, bootstrap, place))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    other = Triggers(engine, EVENTS)
    assert other.observe(rows(0, 10), START_MS + 1) is None, "it reads again what was not committed"
    with EventProducer(bootstrap) as producer:
        assert other.publish(producer, START_MS + 1) == 0, "it may still be alive"
        assert other.publish(producer, START_MS + PUBLISHING_MS_MAX) == 1
        assert other.publish(producer, START_MS + PUBLISHING_MS_MAX) == 0
    found = read_all(bootstrap, TRAININGS, records)
    assert len(found) == records
    assert len({record.key for record in found}) == 1, "one id: consumers take it once"


def _request_and_die(url: str, bootstrap: str, place: str) -> None:
    os.environ["PAGECAST_FAILPOINT"] = f"{place}:1:SIGKILL"
    triggers = Triggers(connect(url), EVENTS)
    triggers.observe(rows(0, 10), START_MS)
    with EventProducer(bootstrap) as producer:
        triggers.publish(producer, START_MS)


def test_a_worker_asks_once_for_what_it_ingests(bootstrap: str, paths: StatePaths) -> None:
    events = [play("ann", f"film-{i}", START_MS + i * HOUR_MS) for i in range(12)]
    positions = send(bootstrap, events)
    ingest(bootstrap, paths, positions, triggers=EVENTS)
    ingest(bootstrap, paths, positions, triggers=EVENTS, group="replay")
    [record] = read_all(bootstrap, TRAININGS, 1)
    message = training_pb2.TrainingRequested.FromString(record.value or b"")
    assert message.detail.startswith("12 events")
