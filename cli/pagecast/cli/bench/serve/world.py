"""What is served: a catalog, a user with a long history, a model of random weights.

Speed does not depend on the weights. Nothing is read from anywhere; the same sizes give the same
world.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch

from pagecast.eventlog.stable_id import event_id
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.history.fold import apply_event
from pagecast.featurestore.history.history import History, HistoryVersion
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.export.bundle import BundleFacts, load_model, write_bundle
from pagecast.trainer.network.model import PageModel
from pagecast.v1 import catalog_pb2, events_pb2

MODEL = ModelConfig(d_model=256, layers=6, query_heads=4, kv_heads=1, mlp_hidden=1024)
"""The shape of the issue: 6 layers of 256, 4 query heads of 64 on 1 key/value head."""

GENRES = 23
"""With `top` 24 rows: more than a page has."""

START_MS = 1_767_600_000_000
"""A fixed Monday, 5 January 2026."""

MINUTE_MS = 60_000
USER = "ada"
"""The user whose page is measured by itself."""

VISITORS = tuple(f"u{i}" for i in range(64))
"""The users of loads."""

TOPIC_ID = "bench"


@dataclass(frozen=True, kw_only=True)
class World:
    """A state directory to serve from."""

    paths: StatePaths
    snapshot: CatalogSnapshot
    bundle: Path

    def model(self) -> PageModel:
        return load_model(self.bundle)[0]


def build_world(folder: Path, entities: int, steps: int, output_dim: int = 0) -> World:
    """Makes everything a server needs, in an empty directory; `output_dim` is ModelConfig's."""
    paths = StatePaths(root=folder).create()
    engine = connect(paths.database_url)
    try:
        migrate(engine)
        catalog = Catalog(engine)
        catalog.apply(
            [
                (LogOffset(topic_id=TOPIC_ID, partition=0, offset=offset), change)
                for offset, change in enumerate(_changes(entities))
            ]
        )
        snapshot = catalog.snapshot()
        bundle = _write_model(paths.bundles, snapshot, output_dim)
        registry = Registry(engine)
        registry.register(bundle.name, parent_version=None, metrics={}, data={})
        registry.promote(bundle.name, by="bench")
    finally:
        engine.dispose()
    world = World(paths=paths, snapshot=snapshot, bundle=bundle)
    for user in (USER, *VISITORS):
        remember(world, user, steps)
    return world


def train_another(world: World, seed: int) -> str:
    """Registers a model with other weights; returns its version."""
    bundle = _write_model(world.paths.bundles, world.snapshot, seed=seed)
    engine = connect(world.paths.database_url)
    try:
        Registry(engine).register(bundle.name, parent_version=None, metrics={}, data={})
    finally:
        engine.dispose()
    return bundle.name


def remember(world: World, user_id: str, steps: int) -> History:
    """Writes a user's history of `steps` steps, each time as its next version."""
    store = OnlineFeatures.open(world.paths)
    try:
        history = History(user_id)
        for i in range(steps):
            version = HistoryVersion(topic_id=TOPIC_ID, partition=0, next_offset=i + 1)
            apply_event(history, history_event(user_id, i, len(world.snapshot.entities)), version)
        assert len(history.steps) == steps
        refused = store.write_histories([history])
        assert not refused, "a history was refused: it was written with more steps before"
    finally:
        store.close()
    return history


def history_event(user_id: str, i: int, entities: int) -> events_pb2.InteractionEvent:
    """A user's i-th event: a minute after the one before, all before `START_MS`."""
    entity = (7919 * (i + 1) + 104729 * sum(user_id.encode())) % entities
    occurred_at_ms = START_MS - 1000 * MINUTE_MS + i * MINUTE_MS
    event = events_pb2.InteractionEvent(
        event_id=event_id(occurred_at_ms, f"bench/{user_id}/{i}"),
        user_id=user_id,
        context=events_pb2.RequestContext(device="tv"),
        view_details=events_pb2.ViewDetails(entity_id=f"e{entity}"),
    )
    event.occurred_at.FromMilliseconds(occurred_at_ms)
    return event


def _changes(entities: int) -> list[catalog_pb2.CatalogChange]:
    rows = [
        catalog_pb2.Row(row_id="top", title="Top", predicate=catalog_pb2.Predicate(everything=True))
    ]
    for genre in range(GENRES):
        compare = catalog_pb2.Compare(
            attribute="genre", comparison=catalog_pb2.COMPARISON_IN, values=[f"g{genre}"]
        )
        rows.append(
            catalog_pb2.Row(
                row_id=f"r{genre}",
                title=f"Genre {genre}",
                predicate=catalog_pb2.Predicate(compare=compare),
            )
        )
    changes = [catalog_pb2.CatalogChange(upsert_row=row) for row in rows]
    for i in range(entities):
        entity = catalog_pb2.Entity(
            entity_id=f"e{i}",
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=f"Film {i}",
            genres=[f"g{i % GENRES}"],
        )
        changes.append(catalog_pb2.CatalogChange(upsert_entity=entity))
    for change in changes:
        change.occurred_at.FromMilliseconds(START_MS - 2000 * MINUTE_MS)
    return changes


def _write_model(
    bundles: Path, snapshot: CatalogSnapshot, output_dim: int = 0, seed: int = 0
) -> Path:
    torch.manual_seed(seed)
    shape = dataclasses.replace(MODEL, output_dim=output_dim)
    vocabulary = Vocabulary(
        entities=tuple(e.entity_id for e in snapshot.entities),
        entity_interactions=(1,) * len(snapshot.entities),
        rows=tuple(row.row_id for row in snapshot.rows),
        genres=tuple(f"g{i}" for i in range(GENRES)),
        devices=("tv",),
    )
    model = PageModel(shape, vocabulary).eval()
    facts = BundleFacts(data={}, metrics={}, config={"model": dataclasses.asdict(shape)})
    return bundles / write_bundle(bundles, model, vocabulary, facts, snapshot).version
