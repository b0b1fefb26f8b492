"""What Feast knows of us: users, names of the catalog, and views with one packed value each.

Feast reads this file's objects from `featurestore/feature_repo.py`, too, for `feast apply`.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from feast import Entity, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.repo_config import RegistryConfig
from feast.types import Bytes, String
from pydantic import SecretStr

from pagecast.featurestore.models.embeddings import EmbeddingKind
from pagecast.featurestore.online.packed_store import JOIN_KEY, JOIN_KEYS, PACKED
from pagecast.featurestore.online.sqlite_store import STORE_TYPE
from pagecast.featurestore.state import StatePaths

PROJECT = "pagecast"

REDIS_STORE_TYPE: Final = "pagecast.featurestore.online.redis_store.ConditionalRedisOnlineStore"
"""Its module is imported only where it is used: it needs the extra `redis`."""


@dataclass(frozen=True, kw_only=True)
class Definitions:
    """All of our Feast objects for one offline log."""

    user: Entity
    history: FeatureView
    profile: FeatureView
    user_embedding: FeatureView
    of_catalog: dict[EmbeddingKind, FeatureView]
    """Embeddings of entities, genres and rows: views that hold nothing of a user."""

    @property
    def views(self) -> list[FeatureView]:
        """All views of a user: what an erasure has to empty."""
        return [self.history, self.profile, self.user_embedding]

    @property
    def entities(self) -> list[Entity]:
        """The Feast entities that views are of."""
        return [self.user, *map(_named_in_catalog, self.of_catalog)]

    @property
    def all_views(self) -> list[FeatureView]:
        return [*self.views, *self.of_catalog.values()]

    def embedding(self, kind: EmbeddingKind) -> FeatureView:
        return self.user_embedding if kind is EmbeddingKind.USER else self.of_catalog[kind]

    @classmethod
    def of(cls, offline: Path) -> "Definitions":
        """The definitions for the offline log below `offline`.

        Histories are pushed: Feast's joins and materialisation are not used (docs/facts.md), so the
        sources only say where the events are that a history is folded from.
        """
        user = Entity(
            name="user",
            join_keys=[JOIN_KEY],
            value_type=ValueType.STRING,
            description="A person, or a profile of a household; the key of the event log.",
        )
        embeddings = offline.absolute() / "embeddings"
        return cls(
            user=user,
            history=_packed_view("history", user, offline.absolute() / "interactions"),
            profile=_packed_view("profile", user, offline.absolute() / "profiles"),
            user_embedding=_packed_view(EmbeddingKind.USER.view, user, embeddings),
            of_catalog={
                kind: _packed_view(kind.view, _named_in_catalog(kind), embeddings)
                for kind in EmbeddingKind
                if kind is not EmbeddingKind.USER
            },
        )


def repo_config(paths: StatePaths, online_store_url: str | None = None) -> RepoConfig:
    """The configuration of `featurestore/feature_store.yaml` for a state directory.

    Without a URL the online store is a file there.
    """
    return RepoConfig(
        project=PROJECT,
        provider="local",
        # 0: the registry is read once; what we apply does not change while a process runs.
        registry=RegistryConfig(path=str(paths.feast_registry.absolute()), cache_ttl_seconds=0),
        online_store=_online_store(paths, online_store_url),
        entity_key_serialization_version=3,
    )


def _online_store(paths: StatePaths, url: str | None) -> dict[str, object]:
    if url is None:
        return {"type": STORE_TYPE, "path": str(paths.online_db.absolute())}
    return {"type": REDIS_STORE_TYPE, "url": SecretStr(url)}


def _named_in_catalog(kind: EmbeddingKind) -> Entity:
    return Entity(
        name=kind.value,
        join_keys=[JOIN_KEYS[kind.view]],
        value_type=ValueType.STRING,
        description=f"Names of the catalog: {kind.value}.",
    )


def _packed_view(name: str, of: Entity, log: Path) -> FeatureView:
    source = FileSource(name=f"{name}_log", path=str(log), timestamp_field="occurred_at")
    return FeatureView(
        name=name,
        entities=[of],
        # Feast does not enforce it on reads, and a history does not expire.
        ttl=timedelta(0),
        schema=[Field(name=of.join_key, dtype=String), Field(name=PACKED, dtype=Bytes)],
        source=PushSource(name=f"{name}_push", batch_source=source),
    )
