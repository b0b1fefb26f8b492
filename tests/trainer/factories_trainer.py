"""A small world with a pattern: whoever watches an entity watches the next of its genre after it.

Everything is written through the feature store, as ingest would.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from factories import START_MS, genre_row, movie, play, rate, source_row, top_row, upsert
from factories_databases import migrated

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.database import connect
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, OfflineLog
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.featurestore.state import StatePaths
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.config import ModelConfig, ObjectiveConfig, PageConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset, fallback_row, next_row
from pagecast.trainer.data.replay import UserSteps, replay
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.pages.pools import Pools
from pagecast.v1 import catalog_pb2, events_pb2

GENRES = ("Action", "Comedy", "Drama")

ENTITIES = 36

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

SMALL = TrainConfig(
    model=ModelConfig(d_model=32, layers=1, query_heads=1, kv_heads=1, mlp_hidden=64),
    page=PageConfig(rows_max=3, entities_max=3, window_steps=8),
    epochs=20.0,
    positions_per_batch=512,
    opening_cuts_max=8,
    page_cuts_max=2,
    context=ContextConfig(summaries_max=2, new_max=2, new_days=14, live_max=1),
    context_rate=0.5,
    learning_rate=1e-2,
    dropout=0.0,
    step_dropout=0.2,
    objective=ObjectiveConfig(history=1.0, pages=0.3, rows=0.1),
    threads=1,
    gate_users_min=5,
)
"""Learns the pattern in seconds."""


def entity_id(number: int) -> str:
    return f"e{number % ENTITIES}"


def catalog_changes() -> list[catalog_pb2.CatalogChange]:
    """Entities whose genre repeats every third, and a row of every sort."""
    entities = [
        movie(entity_id(i), GENRES[i % 3], released_ms=START_MS - (ENTITIES - i) * 30 * DAY_MS)
        for i in range(ENTITIES)
    ]
    rows = [
        top_row(),
        *(genre_row(genre) for genre in GENRES),
        source_row("popular", catalog_pb2.ROW_SOURCE_POPULAR),
        source_row("recent", catalog_pb2.ROW_SOURCE_RECENT),
        source_row("because", catalog_pb2.ROW_SOURCE_BECAUSE),
        source_row("continue", catalog_pb2.ROW_SOURCE_CONTINUE),
    ]
    return [upsert(change) for change in (*rows, *entities)]


def walk(
    user: int, steps: int = 10, *, begin_ms: int = START_MS
) -> list[events_pb2.InteractionEvent]:
    """A Play and a Rate for every entity of a walk along one genre, an hour apart."""
    draw = random.Random(user)
    first, begin_ms = draw.randrange(ENTITIES), begin_ms + draw.randrange(DAY_MS)
    events = []
    for i in range(steps):
        entity, at_ms = entity_id(first + 3 * i), begin_ms + i * HOUR_MS
        events.append(play(f"u{user}", entity, at_ms))
        events.append(rate(f"u{user}", entity, draw.choice((3.0, 4.0, 5.0)), at_ms))
    return events


def logged(
    events: Iterable[events_pb2.InteractionEvent], *, topic_id: str = "log"
) -> list[LoggedEvent]:
    """One partition, offsets in the order given."""
    return [
        LoggedEvent(topic_id, 0, offset, token_of(event), event.SerializeToString())
        for offset, event in enumerate(events)
    ]


def in_time_order(
    walks: Iterable[Sequence[events_pb2.InteractionEvent]],
) -> list[events_pb2.InteractionEvent]:
    events = [event for walk in walks for event in walk]
    return sorted(events, key=lambda e: e.occurred_at.ToMilliseconds())


def write_state(
    root: Path,
    events: Sequence[LoggedEvent],
    changes: Sequence[catalog_pb2.CatalogChange] | None = None,
) -> StatePaths:
    """A state directory whose feature store holds a catalog and a log."""
    paths = StatePaths(root=root).create()
    engine = migrated(paths.database_url)
    Catalog(engine).apply(
        [
            (LogOffset(topic_id="catalog", partition=0, offset=offset), change)
            for offset, change in enumerate(catalog_changes() if changes is None else changes)
        ]
    )
    engine.dispose()
    OfflineLog(paths.offline).append(events)
    return paths


def read_catalog(paths: StatePaths) -> CatalogSnapshot:
    engine = connect(paths.database_url)
    snapshot = Catalog(engine).snapshot()
    engine.dispose()
    return snapshot


def page_builder(data: Dataset, config: TrainConfig = SMALL) -> PageBuilder:
    return PageBuilder(
        Pools(CompiledCatalog(data.catalog), data.columns),
        next_row=next_row(data.catalog),
        fallback_row=fallback_row(data.catalog),
        config=config.page,
    )


def replayed(
    events: Sequence[LoggedEvent], known: Mapping[tuple[str, int], int] | None = None
) -> list[UserSteps]:
    by_user: dict[str, list[LoggedEvent]] = {}
    for row in events:
        by_user.setdefault(row.token.user_id, []).append(row)
    return [replay(user, rows, known=known) for user, rows in by_user.items()]
