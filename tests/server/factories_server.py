"""A small house with real stores, and a server in it."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from engine.factories_engine import TinyModel, vocabulary_of, write_bundle
from factories import START_MS, genre_row, movie, source_row, timestamp, top_row, upsert
from factories_databases import migrated
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.popularity import Counted, Popularity
from pagecast.featurestore.history.fold import apply_event
from pagecast.featurestore.history.history import History, HistoryVersion
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.state import StatePaths
from pagecast.server.app import PagecastServer
from pagecast.server.config import ServerConfig
from pagecast.v1 import catalog_pb2, events_pb2, homepage_pb2, homepage_pb2_grpc

TOPIC_ID = "topic-of-tests"
GENRES = ("Comedy", "Drama", "Western")
FILMS, FILMS_OF_A_ROW = 60, 30
DAY_MS = 86_400_000

SMALL = TinyModel()

SLOW = TinyModel(d_model=256, layers=4, heads=4, head_dim=64, mlp=2048)
"""A long page takes a good part of a second on any machine: it can be caught in the act."""

LONG_PAGE = {"rows": 7, "entities_per_row": 40, "exact_entities": 40}
"""As long as a page may be, each entity decoded by itself."""

Response = homepage_pb2.StreamHomepageResponse


class House:
    """A state directory as ingest and trainer leave it; what they write comes through methods."""

    def __init__(self, root: Path) -> None:
        self.paths = StatePaths(root=root).create()
        self.engine = migrated(self.paths.database_url)
        self.catalog = Catalog(self.engine)
        self.registry = Registry(self.engine)
        self.popularity = Popularity(self.engine)
        self.store = OnlineFeatures.open(self.paths)
        self._offset = 0

    def change(self, *changes: catalog_pb2.CatalogChange) -> int:
        """Applies catalog changes as ingest does; returns the catalog's number."""
        first, self._offset = self._offset, self._offset + len(changes)
        return self.catalog.apply(
            [
                (LogOffset(topic_id=TOPIC_ID, partition=0, offset=first + i), change)
                for i, change in enumerate(changes)
            ]
        )

    def remember(self, user_id: str, *events: events_pb2.InteractionEvent) -> History:
        """Folds events into the user's stored history as ingest does."""
        history = self.store.read_history(user_id) or History(user_id)
        offset = history.version.next_offset if history.version else 0
        for event in events:
            offset += 1
            version = HistoryVersion(topic_id=TOPIC_ID, partition=0, next_offset=offset)
            assert apply_event(history, event, version)
        assert self.store.write_histories([history]) == []
        return history

    def count(self, **counts: float) -> None:
        """Adds popularity."""
        counted = []
        for entity_id, count in counts.items():
            for _ in range(int(count)):
                counted.append(Counted((TOPIC_ID, 0), self._offset, entity_id, START_MS))
                self._offset += 1
        self.popularity.add(counted)

    def train(self, model: TinyModel = SMALL) -> str:
        """Publishes a bundle of random weights and registers it; returns its version."""
        vocabulary = vocabulary_of(self.catalog.snapshot())
        bundle = write_bundle(self.paths.bundles, vocabulary, model)
        self.registry.register(bundle.name, parent_version=None, metrics={}, data={})
        return bundle.name

    def train_champion(self, model: TinyModel = SMALL) -> str:
        version = self.train(model)
        self.registry.promote(version, by="test")
        return version

    def config(self, **changes: object) -> ServerConfig:
        fields: dict[str, object] = {"port": 0, "metrics_port": 0, "allow_client_clock": True}
        return ServerConfig(state=self.paths, **(fields | changes))  # type: ignore[arg-type]

    @asynccontextmanager
    async def serve(self, **changes: object) -> AsyncIterator["Served"]:
        """A server of this house and a channel to it."""
        server = PagecastServer(self.config(**changes))
        listening = await server.start()
        try:
            async with grpc.aio.insecure_channel(listening.target) as channel:
                yield Served(
                    server=server,
                    channel=channel,
                    target=listening.target,
                    metrics_port=listening.metrics_port,
                )
        finally:
            await server.drain(asyncio.Event())

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server as a client sees it, and its metrics."""

    server: PagecastServer
    channel: grpc.aio.Channel
    target: str
    """What another channel is made with."""
    metrics_port: int

    def through(self, channel: grpc.aio.Channel) -> "Served":
        """The same server as another channel sees it."""
        return replace(self, channel=channel)

    def stream(
        self,
        user_id: str,
        *,
        timeout_s: float | None = 20.0,
        client: str | None = None,
        **fields: object,
    ) -> "grpc.aio.UnaryStreamCall[homepage_pb2.StreamHomepageRequest, Response]":
        fields = {"requested_at": timestamp(START_MS), **fields}
        request = homepage_pb2.StreamHomepageRequest(user_id=user_id, **fields)  # type: ignore[arg-type]
        metadata = () if client is None else (("x-client-id", client),)
        return homepage_pb2_grpc.HomepageServiceStub(self.channel).StreamHomepage(
            request, timeout=timeout_s, metadata=metadata
        )

    async def page(self, user_id: str, **fields: object) -> "Page":
        return Page([message async for message in self.stream(user_id, **fields)])

    def metric(self, name: str, **labels: str) -> float:
        return self.server.metrics.registry.get_sample_value(name, labels) or 0.0


class Page:
    """A page as it was received."""

    def __init__(self, messages: list[Response]) -> None:
        self.messages = messages

    @property
    def started(self) -> homepage_pb2.PageStarted:
        return self.messages[0].page_started

    @property
    def completed(self) -> homepage_pb2.PageCompleted:
        return self.messages[-1].page_completed

    @property
    def rows(self) -> list[homepage_pb2.RowCompleted]:
        return [m.row_completed for m in self.messages if m.HasField("row_completed")]

    @property
    def shape(self) -> dict[str, list[str]]:
        """Entity ids by row id, in order."""
        return {r.row.row_id: ids(r.entities) for r in self.rows}

    @property
    def entity_ids(self) -> set[str]:
        return {entity_id for row in self.shape.values() for entity_id in row}


def catalog_changes(
    films_count: int = FILMS, *, top_first: bool = False
) -> list[catalog_pb2.CatalogChange]:
    """Films of three genres and rows of most kinds; `top_first` pins the row of all films."""
    films = [
        movie(f"m{i}", GENRES[i % len(GENRES)], released_ms=START_MS - i * DAY_MS)
        for i in range(films_count)
    ]
    top = top_row()
    if top_first:
        top.pin = 0
    because = source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE)
    because.title = "Because you watched {entity}"
    rows = [
        top,
        *map(genre_row, GENRES),
        source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR),
        source_row("recent", catalog_pb2.ROW_SOURCE_RECENT),
        because,
    ]
    return [upsert(change) for change in (*films, *rows)]


def break_store(house: House) -> None:
    """Takes the online store's tables away, as a restore of the wrong file would."""
    connection = sqlite3.connect(house.paths.online_db)
    with connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in tables.fetchall():
            connection.execute(f'DROP TABLE "{name}"')
    connection.close()


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Message]:
    """The details of a status by the names of their types; `ErrorInfo` is always there."""
    status = rpc_status.from_call(error)
    details: dict[str, Message] = {}
    for packed in status.details:
        message = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])()
        assert packed.Unpack(message)
        details[type(message).__name__] = message
    return details


async def end_of(call: grpc.aio.UnaryStreamCall) -> grpc.StatusCode:
    """How a stream ended, once all of it was read."""
    with suppress(grpc.aio.AioRpcError):
        while await call.read() is not grpc.aio.EOF:
            pass
    return await call.code()


async def eventually(holds: Callable[[], bool], timeout_s: float = 10.0) -> float:
    """Waits until something holds; returns after how many seconds it did."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < timeout_s, "it never came to hold"
        await asyncio.sleep(0.01)
    return time.monotonic() - began_s


def ids(entities: Iterable[homepage_pb2.EntityPlaced]) -> list[str]:
    return [entity.entity_id for entity in entities]
