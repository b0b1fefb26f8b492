"""Histories and profiles in Feast's online store: steps 3 and 6 of the life of an event.

Feast is imported only when a store is opened: that takes seconds of CPU.
"""

import fcntl
import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagecast.featurestore.history.history import History, HistoryVersion, Profile
from pagecast.featurestore.history.packing import (
    ANY_FOLD,
    PackedHistoryError,
    pack,
    pack_profile,
    unpack,
    unpack_profile,
)
from pagecast.featurestore.models.embeddings import (
    Embedding,
    EmbeddingKind,
    pack_embedding,
    unpack_embedding,
)
from pagecast.featurestore.online.feast_import import import_feast
from pagecast.featurestore.online.packed_store import PackedRow, PackedStore
from pagecast.featurestore.online.store_errors import OnlineStoreRefused
from pagecast.featurestore.online.store_url import StoreUrl
from pagecast.featurestore.state import StatePaths

if TYPE_CHECKING:
    from pagecast.featurestore.online.definitions import Definitions


class OnlineFeatures:
    """Reads and writes what is known of users. Safe for threads; open it after forking.

    Values go through the stores' own methods and not through Feast's `get_online_features` and
    `push`: those cost four and thirty times as much for one user (docs/facts.md), and neither
    knows of a refused write. Feast's own calls read the same values.

    Every method that calls the store raises one of STORE_TRANSIENT if it is away, and
    OnlineStoreRefused if it will not serve us.
    """

    def __init__(
        self, config: Any, definitions: "Definitions", store: PackedStore, fold: int = ANY_FOLD
    ) -> None:
        self._config = config
        self._fold = fold
        self._views = definitions
        self._store = store

    @classmethod
    def open(
        cls, paths: StatePaths, url: str | None = None, *, fold: int = ANY_FOLD
    ) -> "OnlineFeatures":
        """Opens the store, making what is missing: SQLite in a state directory, or what `url` says.

        `fold` is the fingerprint of the configuration histories are folded with: a writer gives it,
        and cannot read histories of another one.

        Several processes may open it at once; that is quick when nothing is missing. Raises
        StoreUrlError for a bad URL, OnlineStoreRefused without the extra `redis`. That a server is
        away shows only on first use.
        """
        if url is not None:
            StoreUrl.parse(url)
            _require_client()
        import_feast()
        from pagecast.featurestore.online.definitions import Definitions, repo_config

        paths.create()
        config, definitions = repo_config(paths, url), Definitions.of(paths.offline)
        store = _store_of(config)
        with _alone(paths.root / "feast.lock"):
            _apply(config, definitions)
            store.update(config, [], definitions.all_views, [], [], True)
        return cls(config, definitions, store, fold)

    def read_user(self, user_id: str) -> tuple[History | None, Profile]:
        """History and profile, as `read_history` and `read_profile`, in one round trip."""
        history, profile = self.read_packed(user_id)
        return (
            None if history is None else unpack(user_id, history, self._fold),
            Profile() if profile is None else unpack_profile(profile),
        )

    def read_packed(self, user_id: str) -> tuple[bytes | None, bytes | None]:
        """History and profile as they are stored (`packing`), in one round trip."""
        views = (self._views.history, self._views.profile)
        ((history, profile),) = self._store.read_packed(self._config, views, (user_id,))
        return history, profile

    def read_history(self, user_id: str) -> History | None:
        """None for a stranger. Raises PackedHistoryError for a value that cannot be read."""
        return self.read_histories([user_id]).get(user_id)

    def read_histories(self, user_ids: Sequence[str]) -> dict[str, History]:
        """Histories by user id; strangers are left out. Raises PackedHistoryError, which says whose
        history cannot be read."""
        values = self._read(self._views.history, user_ids)
        return {user_id: self._unpacked(user_id, value) for user_id, value in values}

    def write_histories(self, histories: Sequence[History]) -> list[str]:
        """Writes histories, each unless it is older than the stored one.

        Returns the ids of the users whose history was refused, because the store holds a newer
        version of the same partition of the same log. In SQLite a batch is one transaction; in
        Redis some are written if it raises, and writing the batch again is harmless.
        """
        return self._write(
            self._views.history, (_history_row(history, self._fold) for history in histories)
        )

    def delete_histories(self, versions: Mapping[str, HistoryVersion]) -> list[str]:
        """Deletes histories that are not newer than these versions; returns the refused users.

        The embeddings made from them go, too. For FENCE_S a late writer's older history is refused,
        so that a worker that lost its partition cannot bring back what was erased.
        """
        rows = [PackedRow(user_id, None, version, 0) for user_id, version in versions.items()]
        self._write(self._views.user_embedding, rows)
        return self._write(self._views.history, rows)

    def read_embeddings(self, kind: EmbeddingKind, names: Sequence[str]) -> dict[str, Embedding]:
        """Published embeddings by name; what has none is left out. Raises PackedHistoryError."""
        values = self._read(self._views.embedding(kind), names)
        return {name: unpack_embedding(name, value) for name, value in values}

    def write_embeddings(self, kind: EmbeddingKind, embeddings: Sequence[Embedding]) -> list[str]:
        """Writes as `write_histories` does: a user's embedding has the version of its history, so
        that one from before an erasure is refused. Returns the refused names."""
        rows = [
            PackedRow(one.name, pack_embedding(one), one.version, one.embedded_at_ms)
            for one in embeddings
        ]
        return self._write(self._views.embedding(kind), rows)

    def read_profile(self, user_id: str) -> Profile:
        """The default profile for a stranger. Raises PackedHistoryError."""
        return self.read_profiles([user_id]).get(user_id, Profile())

    def read_profiles(self, user_ids: Sequence[str]) -> dict[str, Profile]:
        """Profiles by user id; strangers are left out. Raises PackedHistoryError."""
        values = self._read(self._views.profile, user_ids)
        return {user_id: unpack_profile(value) for user_id, value in values}

    def write_profiles(
        self, profiles: Mapping[str, tuple[Profile | None, HistoryVersion]]
    ) -> list[str]:
        """Writes profiles as `write_histories` does; versions are of the profile topic.

        None is a null record: it deletes the profile as `delete_histories` deletes a history.
        """
        return self._write(
            self._views.profile,
            (_profile_row(user_id, *written) for user_id, written in profiles.items()),
        )

    def close(self) -> None:
        """Closes the connections of all threads."""
        self._store.close_connections()

    def _unpacked(self, user_id: str, value: bytes) -> History:
        try:
            return unpack(user_id, value, self._fold)
        except PackedHistoryError as error:
            raise PackedHistoryError(f"the history of user {user_id!r}: {error}") from error

    def _read(self, view: Any, user_ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        found = self._store.read_packed(self._config, (view,), user_ids)
        for user_id, (value,) in zip(user_ids, found, strict=True):
            if value is not None:
                yield user_id, value

    def _write(self, view: Any, rows: Iterable[PackedRow]) -> list[str]:
        packed = list(rows)
        return self._store.write_packed(self._config, view, packed) if packed else []


def _history_row(history: History, fold: int) -> PackedRow:
    """Raises ValueError for a history without a version."""
    value = pack(history, fold)
    assert history.version is not None, "`pack` has refused it"
    at_ms = history.steps[-1].occurred_at_ms if history.steps else 0
    return PackedRow(history.user_id, value, history.version, at_ms)


def _profile_row(user_id: str, profile: Profile | None, version: HistoryVersion) -> PackedRow:
    if profile is None:
        return PackedRow(user_id, None, version, 0)
    value = pack_profile(user_id, profile, version)
    return PackedRow(user_id, value, version, profile.occurred_at_ms)


def _require_client() -> None:
    if importlib.util.find_spec("redis") is None:
        raise OnlineStoreRefused("online_store_url needs a client: pip install 'pagecast[redis]'")


def _store_of(config: Any) -> PackedStore:
    from feast.infra.online_stores.helpers import get_online_store_from_config

    store: PackedStore = get_online_store_from_config(config.online_store)
    return store


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time: Feast's registry file is rewritten in place, without a lock."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _apply(config: Any, definitions: "Definitions") -> None:
    """What `feast apply` does, unless the registry says the same already."""
    from feast import FeatureStore

    store = FeatureStore(config=config)
    applied = {view.name: view for view in store.list_feature_views()}
    if any(applied.get(view.name) != view for view in definitions.all_views):
        store.apply([*definitions.entities, *definitions.all_views])
