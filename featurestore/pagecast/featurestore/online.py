"""Histories and profiles in Feast's online store: steps 3 and 6 of the life of an event.

Feast is imported when a store is opened, not before: that takes seconds of CPU.
"""

import fcntl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pagecast.featurestore.feast_import import import_feast
from pagecast.featurestore.history import History, HistoryVersion, Profile
from pagecast.featurestore.packing import pack, pack_profile, unpack, unpack_profile
from pagecast.featurestore.state import StatePaths

if TYPE_CHECKING:
    from pagecast.featurestore.definitions import Definitions
    from pagecast.featurestore.sqlite_store import ConditionalSqliteOnlineStore

READ_USERS_MAX = 500
"""Users of one query; more are read in several, so that a query's text stays bounded."""


class OnlineFeatures:
    """Reads and writes what is known of users. Safe for threads; open it after forking."""

    def __init__(
        self, config: Any, definitions: "Definitions", store: "ConditionalSqliteOnlineStore"
    ) -> None:
        self._config = config
        self._views = definitions
        self._store = store

    @classmethod
    def open(cls, paths: StatePaths) -> "OnlineFeatures":
        """Opens the store of a state directory, making what is missing.

        Several processes may do so at once; it is quick when nothing is missing.
        """
        import_feast()
        from feast.infra.online_stores.helpers import get_online_store_from_config

        from pagecast.featurestore.definitions import Definitions, repo_config

        paths.create()
        config, definitions = repo_config(paths), Definitions.of(paths.offline)
        store = get_online_store_from_config(config.online_store)
        with _alone(paths.root / "feast.lock"):
            _apply(config, definitions)
            store.update(config, [], [definitions.history, definitions.profile], [], [], True)
        return cls(config, definitions, store)

    def read_history(self, user_id: str) -> History | None:
        """None for a stranger. Raises PackedHistoryError for a value that cannot be read."""
        return self.read_histories([user_id]).get(user_id)

    def read_histories(self, user_ids: Sequence[str]) -> dict[str, History]:
        """Histories by user id; strangers are left out. Raises PackedHistoryError."""
        values = self._read(self._views.history, user_ids)
        return {user_id: unpack(user_id, value) for user_id, value in values}

    def write_histories(self, histories: Sequence[History]) -> list[str]:
        """Writes histories in one transaction, each if it is not older than the stored one.

        Returns the ids of the users whose history was refused, because the store holds a newer
        version of the same partition of the same log.
        """
        return self._write(
            self._views.history,
            ((h.user_id, pack(h), h.steps[-1].occurred_at_ms if h.steps else 0) for h in histories),
        )

    def read_profile(self, user_id: str) -> Profile:
        """The default profile for a stranger. Raises PackedHistoryError."""
        for _, value in self._read(self._views.profile, [user_id]):
            return unpack_profile(value)
        return Profile()

    def write_profiles(self, profiles: Mapping[str, tuple[Profile, HistoryVersion]]) -> list[str]:
        """Writes profiles as `write_histories` does; versions are of the profile topic."""
        return self._write(
            self._views.profile,
            (
                (user_id, pack_profile(user_id, profile, version), profile.occurred_at_ms)
                for user_id, (profile, version) in profiles.items()
            ),
        )

    def close(self) -> None:
        """Closes the connections of all threads."""
        self._store.close_connections()

    def _read(self, view: Any, user_ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        from pagecast.featurestore.definitions import PACKED

        for begin in range(0, len(user_ids), READ_USERS_MAX):
            chunk = user_ids[begin : begin + READ_USERS_MAX]
            keys = [_entity_key(user_id) for user_id in chunk]
            found = self._store.online_read(self._config, view, keys, [PACKED])
            for user_id, (_, values) in zip(chunk, found, strict=True):
                if values is not None:
                    yield user_id, values[PACKED].bytes_val

    def _write(self, view: Any, values: Iterable[tuple[str, bytes, int]]) -> list[str]:
        from feast.protos.feast.types.Value_pb2 import Value

        from pagecast.featurestore.definitions import PACKED

        rows = [
            (
                _entity_key(user_id),
                {PACKED: Value(bytes_val=value)},
                datetime.fromtimestamp(at_ms / 1000, UTC),
                None,
            )
            for user_id, value, at_ms in values
        ]
        refused = self._store.write_newer(self._config, view, rows) if rows else []
        return [key.entity_values[0].string_val for key in refused]


def _entity_key(user_id: str) -> Any:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    from pagecast.featurestore.definitions import JOIN_KEY

    return EntityKey(join_keys=[JOIN_KEY], entity_values=[Value(string_val=user_id)])


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
    wanted = [definitions.history, definitions.profile]
    applied = {view.name: view for view in store.list_feature_views()}
    if any(applied.get(view.name) != view for view in wanted):
        store.apply([definitions.user, *wanted])
