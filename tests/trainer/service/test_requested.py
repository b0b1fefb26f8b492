"""Requests of a real event log become trainings, each once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eventlog.factories_eventlog import event_log, read_all
from factories import START_MS, timestamp
from factories_databases import migrated

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import TRAININGS, dead_letter
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.trainings.orders import TrainingKind, TrainingOrder
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.trainer.service.requested import RequestReader
from pagecast.v1 import training_pb2


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    """Beside one model, v7."""
    engine = migrated(f"sqlite:///{tmp_path / 'pagecast.db'}")
    Registry(engine).register("v7", parent_version=None, metrics={}, data={})
    yield Trainings(engine)
    engine.dispose()


def request(request_id: str, **asked: object) -> training_pb2.TrainingRequested:
    return training_pb2.TrainingRequested(
        request_id=request_id,
        occurred_at=timestamp(START_MS),
        trigger=training_pb2.TRAINING_TRIGGER_EVENTS,
        **{"detail": "12000 events", **asked},  # type: ignore[arg-type]
    )


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.05)


def ids(trainings: Trainings) -> list[str]:
    return sorted(training.request_id for training in trainings.list())


def test_a_request_is_one_training_however_often_it_is_read_and_what_is_none_a_dead_letter(
    bootstrap: str, trainings: Trainings
) -> None:
    with EventProducer(bootstrap) as producer:
        for request_id in ("r1", "r1", "r2"):
            producer.send(TRAININGS, request_id, request(request_id))
        producer.send_bytes(TRAININGS, b"r3", b"\xff no message", {})
        producer.send(TRAININGS, "another-key", request("r4"))
        producer.flush()
        reader = RequestReader(bootstrap, trainings, pause_s=0.1)
        # A busy machine takes its time to join a group: letters are waited for from then on.
        eventually(lambda: ids(trainings) == ["r1", "r2"])
        letters = read_all(bootstrap, dead_letter(TRAININGS), 2)
        reader.stop()
        producer.send(TRAININGS, "r5", request("r5"))
        producer.flush()
    reader = RequestReader(bootstrap, trainings, pause_s=0.1)
    eventually(lambda: ids(trainings) == ["r1", "r2", "r5"])
    reader.stop()
    told = [(letter.headers["dlt_reason"], letter.headers["dlt_offset"]) for letter in letters]
    assert told == [(b"MALFORMED", b"3"), (b"KEY_MISMATCH", b"4")]
    assert letters[0].value == b"\xff no message"
    first = trainings.get("r1")
    assert (first.asked_by, first.detail, first.order) == ("topic", "12000 events", TrainingOrder())


def test_a_request_says_what_is_trained_as_the_rpc_is_told_it(
    bootstrap: str, trainings: Trainings
) -> None:
    incremental = training_pb2.TRAINING_KIND_INCREMENTAL
    asked = {"kind": incremental, "base_version": "v7", "hold_out": 0.2, "budget_minutes": 3.0}
    with EventProducer(bootstrap) as producer:
        producer.send(TRAININGS, "r1", request("r1", **asked, budget_steps=50))
        producer.send(TRAININGS, "r2", request("r2", base_version="v7"))
        producer.send(TRAININGS, "r1", request("r1", **asked))
        producer.send(TRAININGS, "r3", request("r3", budget_minutes=-1.0))
        producer.send(TRAININGS, "r4", request("r4", detail="a\0b"))
        producer.send(TRAININGS, "r5", request("r5", kind=incremental, base_version="v8"))
        producer.flush()
    reader = RequestReader(bootstrap, trainings, pause_s=0.1)
    eventually(lambda: ids(trainings) == ["r1"])
    letters = read_all(bootstrap, dead_letter(TRAININGS), 5)
    reader.stop()
    assert ids(trainings) == ["r1"]
    assert trainings.get("r1").order == TrainingOrder(
        kind=TrainingKind.INCREMENTAL,
        base_version="v7",
        hold_out=0.2,
        budget_minutes=3.0,
        budget_steps=50,
    )
    told = {letter.headers["dlt_offset"]: letter.headers for letter in letters}
    fields = {offset: headers["dlt_field"] for offset, headers in told.items()}
    assert fields == {
        b"1": b"base_version",
        b"2": b"request_id",
        b"3": b"budget_minutes",
        b"4": b"detail",
        b"5": b"base_version",
    }
    assert b"leave it empty" in told[b"1"]["dlt_detail"]
    assert b"no model or alias is called 'v8'" in told[b"5"]["dlt_detail"]


@pytest.mark.faults
def test_a_database_that_is_away_loses_no_request(
    bootstrap: str, trainings: Trainings, tmp_path: Path
) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'pagecast.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE trainings RENAME TO away")
    with EventProducer(bootstrap) as producer:
        producer.send(TRAININGS, "r1", request("r1"))
        producer.flush()
    reader = RequestReader(bootstrap, trainings, pause_s=0.1)
    time.sleep(1.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO trainings")
    engine.dispose()
    eventually(lambda: ids(trainings) == ["r1"])
    reader.stop()


@pytest.mark.faults
def test_a_broker_that_is_away_does_not_end_the_reader(trainings: Trainings) -> None:
    reader = RequestReader("127.0.0.1:1", trainings, pause_s=0.05)
    time.sleep(0.3)
    reader.stop()
