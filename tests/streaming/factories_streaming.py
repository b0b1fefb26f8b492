"""Workers for tests, in a thread or in a process of their own, and what they have written."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from eventlog.factories_eventlog import SESSION_TIMEOUT_MS
from google.protobuf.message import Message

from pagecast.eventlog.producer import EventProducer
from pagecast.eventlog.topics import CATALOG, INTERACTIONS, PAGES, PROFILES
from pagecast.eventlog.validation import catalog_key
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.database import connect
from pagecast.featurestore.history.history import History, HistoryVersion, Profile
from pagecast.featurestore.history.packing import peek_version
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.tables import ErasureRow
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.ingest import IngestWorker
from pagecast.streaming.progress import wait_until_ingested
from pagecast.v1 import catalog_pb2, events_pb2

Positions = dict[tuple[str, int], int]

FAST: dict[str, Any] = {"session_timeout_ms": SESSION_TIMEOUT_MS, "offline_flush_ms": 50}
"""Settings for tests that wait for commits."""


def config(bootstrap: str, paths: StatePaths, **changes: Any) -> IngestConfig:
    return IngestConfig(bootstrap_servers=bootstrap, paths=paths, **{**FAST, **changes})


def send(bootstrap: str, messages: Sequence[Message]) -> Positions:
    """Sends each message to its topic with its key; returns the offsets after them."""
    with EventProducer(bootstrap) as producer:
        for message in messages:
            match message:
                case events_pb2.InteractionEvent():
                    producer.send(INTERACTIONS, message.user_id, message)
                case catalog_pb2.CatalogChange():
                    producer.send(CATALOG, catalog_key(message), message)
                case events_pb2.ProfileChange():
                    producer.send(PROFILES, message.user_id, message)
                case events_pb2.PageServed():
                    producer.send(PAGES, message.user_id, message)
        producer.flush()
        return producer.acknowledged


class RunningWorker:
    """A worker in a thread of the test."""

    def __init__(self, settings: IngestConfig) -> None:
        self.metrics_port: int | None = None
        self.ready = threading.Event()
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._settings = settings
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait_ended(self, timeout_s: float = 30.0) -> None:
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the worker does not end"

    def join(self, timeout_s: float = 30.0) -> None:
        """Waits until it has ended; raises what it raised."""
        self.wait_ended(timeout_s)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            IngestWorker(self._settings).run(self.stop, self._on_ready)
        except BaseException as error:
            self.error = error
        finally:
            self.ready.set()

    def _on_ready(self, ready: Any) -> None:
        self.metrics_port = ready.metrics_port
        self.ready.set()


@contextmanager
def ingesting(bootstrap: str, paths: StatePaths, **changes: Any) -> Iterator[RunningWorker]:
    """A worker that has joined its group, and is stopped in the end."""
    worker = RunningWorker(config(bootstrap, paths, **changes))
    try:
        assert worker.ready.wait(60)
        yield worker
    finally:
        worker.stop.set()
        worker.join()


def ingest(bootstrap: str, paths: StatePaths, positions: Positions, **changes: Any) -> None:
    """Lets a worker run until it has committed these offsets."""
    with ingesting(bootstrap, paths, **changes) as worker:
        group = config(bootstrap, paths, **changes).group
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and worker.error is None:
            try:
                wait_until_ingested(bootstrap, group, positions, 1.0)
            except TimeoutError:
                continue
            return
    raise AssertionError("not ingested in time")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """All that ingest has written, in a form that can be compared."""

    histories: dict[str, bytes]
    """As they are stored, byte for byte."""
    profiles: dict[str, Profile]
    offline: list[tuple[str, int, int, bytes]]
    pages: list[tuple[str, int, int, bytes]]
    popularity: dict[str, float]
    catalog: CatalogSnapshot
    erasures: dict[str, bool]
    """By receipt: whether it is complete."""

    @property
    def versions(self) -> dict[str, HistoryVersion]:
        """Of the histories there are."""
        return {user_id: peek_version(packed) for user_id, packed in self.histories.items()}


def stored(
    paths: StatePaths,
    users: Sequence[str] = (),
    *,
    online_store_url: str | None = None,
    database_url: str | None = None,
) -> Stored:
    engine = connect(database_url or paths.database_url)
    online = OnlineFeatures.open(paths, online_store_url)
    log = OfflineLog(paths.offline)
    try:
        packed = {user: online.read_packed(user)[0] for user in users}
        return Stored(
            histories={user: value for user, value in packed.items() if value is not None},
            profiles={user: online.read_profile(user) for user in users},
            offline=[(r.topic_id, r.partition, r.offset, r.value) for r in log.read()],
            pages=[(r.topic_id, r.partition, r.offset, r.value) for r in log.read_pages()],
            popularity={
                entity: round(score, 9) for entity, score in Popularity(engine).scores().items()
            },
            catalog=Catalog(engine).snapshot(),
            erasures=_receipts(engine),
        )
    finally:
        online.close()
        engine.dispose()


def _receipts(engine: sa.Engine) -> dict[str, bool]:
    row = ErasureRow
    with engine.connect() as connection:
        found = connection.execute(sa.select(row.receipt_id, row.completed_at_ms)).all()
    return {receipt_id: completed is not None for receipt_id, completed in found}


def history_of(paths: StatePaths, user_id: str) -> History | None:
    online = OnlineFeatures.open(paths)
    try:
        return online.read_history(user_id)
    finally:
        online.close()
