"""Many consumer groups, each with stores of its own, on one log: faults cost waiting, not work."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from factories_stores import ValkeyServer
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from streaming.factories_recount import check, check_letters, recount
from streaming.factories_streaming import Positions, Stored, stored
from streaming.worker_process import WorkerProcess

from pagecast.eventlog.admin import Admin
from pagecast.eventlog.producer import EventProducer
from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.requests import PUBLISHING_MS_MAX
from pagecast.streaming.progress import wait_until_ingested
from pagecast.streaming.trigger_config import TriggersConfig
from pagecast.streaming.triggers import Triggers

REQUEST_EVENTS = 100
"""So many events ask for a training."""

TRIGGERS = TriggersConfig(events=REQUEST_EVENTS, drift=0, new_entities=0, schedule_hours=0,
                          pause_minutes=0)  # fmt: skip

CATCH_UP_S_MAX = 180.0
"""Ends what hangs: eight lanes that catch up beside other suites take a minute and more."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A group and its stores. `changes` are fields of its workers' `IngestConfig`."""

    bootstrap: str
    name: str
    root: Path
    other_group: str = ""
    """If the group has not the lane's name: several lanes may have the same stores."""
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> StatePaths:
        return StatePaths(root=self.root / self.name)

    @property
    def group(self) -> str:
        return self.other_group or self.name

    def worker(self, failpoint: str = "", *, batch: int = 10, **changes: Any) -> WorkerProcess:
        return WorkerProcess(
            self.bootstrap,
            self.paths.root,
            self.group,
            failpoint=failpoint,
            batch=batch,
            **{"triggers": TRIGGERS, **self.changes, **changes},
        )

    def wait(self, positions: Positions, timeout_s: float = CATCH_UP_S_MAX) -> None:
        wait_until_ingested(self.bootstrap, self.group, positions, timeout_s)

    def take_over(self, positions: Positions) -> None:
        """Lets another member of the group, that nobody disturbs, go on to these positions."""
        worker = self.worker(batch=10_000)
        try:
            self.wait(positions)
        finally:
            worker.stop()

    def catch_up(self, positions: Positions) -> None:
        """Lets a worker go on from what the group has committed, in a group of its own.

        The embedded broker can lose a group for good when a member leaves while another joins
        (`EventConsumer`); and nobody has to wait for the sessions of the dead.
        """
        with Admin(self.bootstrap) as admin:
            committed = admin.committed(self.group)
        after = replace(self, other_group=f"{self.group}-after")
        set_offsets(self.bootstrap, after.group, committed)
        after.take_over(positions)

    def stored(self, users: Sequence[str]) -> Stored:
        return stored(
            self.paths,
            users,
            online_store_url=self.changes.get("online_store_url"),
            database_url=self.changes.get("database_url"),
        )


def set_offsets(bootstrap: str, group: str, positions: Positions) -> None:
    """Sets what a group that has no members has committed."""
    offsets = {TopicPartition(*at): OffsetAndMetadata(to, "", -1) for at, to in positions.items()}
    client = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    try:
        client.assign(list(offsets))
        client.commit(offsets)
    finally:
        client.close(autocommit=False, timeout_ms=1000)


def lanes_of(
    bootstrap: str, root: Path, names: Sequence[str], valkey: ValkeyServer | None = None
) -> list[Lane]:
    """Lanes on SQLite, or each on a database of its own of a server."""
    changes = [
        {} if valkey is None else {"online_store_url": f"{valkey.url}/{number}"}
        for number, _ in enumerate(names)
    ]
    return [
        Lane(bootstrap=bootstrap, name=name, root=root, changes=change)
        for name, change in zip(names, changes, strict=True)
    ]


def in_parallel(work: Callable[[Lane], _Result], lanes: Sequence[Lane]) -> list[_Result]:
    """Raises the first exception when all have ended."""
    with ThreadPoolExecutor(len(lanes)) as pool:
        return [future.result() for future in [pool.submit(work, lane) for lane in lanes]]


def undisturbed(bootstrap: str, root: Path, positions: Positions, users: Sequence[str]) -> Stored:
    """What a worker writes that nobody disturbs, from the same log, and it is what the log says."""
    lane = Lane(bootstrap=bootstrap, name="undisturbed", root=root)
    lane.take_over(positions)
    expected = lane.stored(users)
    counted = recount(bootstrap, positions)
    check(expected, counted)
    check_letters(bootstrap, counted)
    return expected


def assert_same(found: Stored, expected: Stored, context: str) -> None:
    """Says which store differs, and does not print a thousand rows."""
    for name in Stored.__dataclass_fields__:
        if name != "popularity":
            assert getattr(found, name) == getattr(expected, name), f"{context}: {name}"
    assert found.popularity.keys() == expected.popularity.keys(), context
    for entity_id, score in expected.popularity.items():
        assert abs(found.popularity[entity_id] - score) < 1e-6, f"{context}: {entity_id}"


def check_requests(lane: Lane, events: int) -> set[str]:
    """The trainings a lane has asked for: no more than its events allow, and none unpublished.

    Returns their ids; a worker that died had 30 seconds before others would publish for it, so
    the clock is put on.
    """
    engine = connect(lane.changes.get("database_url") or lane.paths.database_url)
    try:
        later_ms = time.time_ns() // 1_000_000 + PUBLISHING_MS_MAX + 1
        with EventProducer(lane.bootstrap) as producer:
            Triggers(engine, TRIGGERS).publish(producer, later_ms)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT request_id, published_at_ms FROM training_requests"
            ).all()
    finally:
        engine.dispose()
    assert all(published is not None for _, published in rows)
    assert len(rows) <= events // REQUEST_EVENTS, "no request without its events"
    return {request_id for request_id, _ in rows}
