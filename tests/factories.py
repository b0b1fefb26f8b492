"""Makers of test data shared by several suites. Each returns a fresh value; nothing is hidden."""

import hashlib
import socket
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.v1 import catalog_pb2, events_pb2

START_MS = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp() * 1000)
"""A Monday noon: the moment at which test data begins."""


def timestamp(at_ms: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(at_ms)
    return moment


def event_id(at_ms: int, salt: str = "") -> str:
    """A UUIDv7 that is the same for the same arguments."""
    digest = hashlib.sha256(f"{at_ms}/{salt}".encode()).hexdigest()
    stamp = f"{at_ms:012x}"
    return f"{stamp[:8]}-{stamp[8:12]}-7{digest[:3]}-8{digest[3:6]}-{digest[6:18]}"


def play(
    user_id: str, entity_id: str, at_ms: int = START_MS, *, session_id: str = "s1"
) -> events_pb2.InteractionEvent:
    return events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"play/{user_id}/{entity_id}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(session_id=session_id, device="tv", surface="home"),
        play=events_pb2.Play(entity_id=entity_id, kind=events_pb2.PLAY_KIND_FEATURE),
    )


def rate(
    user_id: str,
    entity_id: str,
    rating: float = 4.0,
    at_ms: int = START_MS,
    *,
    session_id: str = "s1",
) -> events_pb2.InteractionEvent:
    return events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"rate/{user_id}/{entity_id}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        context=events_pb2.RequestContext(session_id=session_id, device="tv", surface="home"),
        rate=events_pb2.Rate(entity_id=entity_id, rating=rating),
    )


def forget(user_id: str, at_ms: int = START_MS) -> events_pb2.InteractionEvent:
    """The order to forget a user, as ForgetUser gives it."""
    return events_pb2.InteractionEvent(
        event_id=event_id(at_ms, f"forget/{user_id}"),
        user_id=user_id,
        occurred_at=timestamp(at_ms),
        user_forgotten=events_pb2.UserForgotten(),
    )


def movie(
    entity_id: str, *genres: str, title: str = "", released_ms: int | None = None
) -> catalog_pb2.Entity:
    entity = catalog_pb2.Entity(
        entity_id=entity_id,
        kind=catalog_pb2.ENTITY_KIND_MOVIE,
        title=title or f"Film {entity_id}",
        genres=genres,
    )
    if released_ms is not None:
        entity.released_at.FromMilliseconds(released_ms)
    return entity


def upsert(
    change: catalog_pb2.Entity | catalog_pb2.Row, at_ms: int = START_MS
) -> catalog_pb2.CatalogChange:
    if isinstance(change, catalog_pb2.Row):
        return catalog_pb2.CatalogChange(occurred_at=timestamp(at_ms), upsert_row=change)
    return catalog_pb2.CatalogChange(occurred_at=timestamp(at_ms), upsert_entity=change)


def genre_row(genre: str) -> catalog_pb2.Row:
    return catalog_pb2.Row(
        row_id=f"genre-{genre.lower()}",
        title=genre,
        predicate=catalog_pb2.Predicate(
            compare=catalog_pb2.Compare(
                attribute="genre", comparison=catalog_pb2.COMPARISON_IN, values=[genre]
            )
        ),
    )


def source_row(row_id: str, source: catalog_pb2.RowSource) -> catalog_pb2.Row:
    return catalog_pb2.Row(row_id=row_id, title=row_id.title(), source=source)


def top_row() -> catalog_pb2.Row:
    """The row the next-entity score is read from: everything may stand in it."""
    return catalog_pb2.Row(
        row_id="top", title="Top picks", predicate=catalog_pb2.Predicate(everything=True)
    )


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
