"""Feast's Redis online store, for Redis and Valkey, one server or a cluster, with writes that are
conditional on the version of the log.

A plugin as Feast documents them (`online_store: type: ...`). Keys, fields and values are Feast's,
so that `get_online_features` reads what is written here.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, Literal

from feast import FeatureView
from feast.infra.online_stores.helpers import _redis_key_prefix
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.repo_config import RepoConfig
from pydantic import SecretStr
from redis.cluster import RedisCluster

from pagecast.featurestore.online import redis_scripts as scripts
from pagecast.featurestore.online.definitions import REDIS_STORE_TYPE
from pagecast.featurestore.online.feast_rows import OnlineRow, packed_rows
from pagecast.featurestore.online.packed_store import FENCE_S, PackedRow, entity_key, packed_of
from pagecast.featurestore.online.redis_calls import Fields, RowCalls
from pagecast.featurestore.online.redis_client import (
    CLIENT_ERRORS,
    RedisClient,
    connect,
    translate,
    translated,
)
from pagecast.featurestore.online.redis_pipeline import Call, run, run_script
from pagecast.featurestore.online.store_url import StoreUrl

READ_USERS_MAX: Final = 200
"""Users whose values are in memory at the same time: 3 MB of histories."""


class ConditionalRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Configuration of the store; the parent's connection options are not used."""

    type: Literal["pagecast.featurestore.online.redis_store.ConditionalRedisOnlineStore"] = (
        REDIS_STORE_TYPE
    )
    url: SecretStr
    """As `store_url.FORMS` says."""


class ConditionalRedisOnlineStore(RedisOnlineStore):
    """A `PackedStore` on a server or a cluster. Feast's asynchronous calls are not available."""

    def __init__(self) -> None:
        super().__init__()
        self._client: RedisClient | None = None
        self._connecting = threading.Lock()

    def read_packed(
        self, config: RepoConfig, views: Sequence[FeatureView], user_ids: Sequence[str]
    ) -> Iterator[tuple[bytes | None, ...]]:
        """For each user, the value of each view; None if there is none. One call a user."""
        fields = tuple(Fields.of(config, view).value for view in views)
        project = config.project.encode()
        client = self._get_client(config.online_store)
        for begin in range(0, len(user_ids), READ_USERS_MAX):
            asked = user_ids[begin : begin + READ_USERS_MAX]
            keys = [entity_key(user, views[0].name) + project for user in asked]
            try:
                if len(keys) == 1:  # a pipeline costs more, and so would `_client_of`
                    replies = [client.execute_command("HMGET", keys[0], *fields)]
                else:
                    replies = run(client, "HMGET", [Call(key, (key, *fields)) for key in keys])
            except CLIENT_ERRORS as error:
                raise translate(self._where, error) from error
            for values in replies:
                yield tuple([None if value is None else packed_of(value) for value in values])

    def write_packed(
        self, config: RepoConfig, view: FeatureView, rows: Sequence[PackedRow]
    ) -> list[str]:
        """Writes each row by itself; returns the users that were refused.

        If it raises, some rows may be written: writing the same batch again is harmless.
        """
        with self._client_of(config) as client:
            calls = RowCalls(config, view, cluster=isinstance(client, RedisCluster))
            written = [row for row in rows if row.value is not None]
            deleted = [row for row in rows if row.value is None]
            replies = run_script(client, scripts.WRITE, 2, [calls.write(row) for row in written])
            replies += run_script(
                client, scripts.DELETE, 2, [calls.delete(row, FENCE_S) for row in deleted]
            )
        return [row.user_id for row, ok in zip(written + deleted, replies, strict=True) if not ok]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[OnlineRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """What Feast's own push and write call: refused rows are left out silently.

        Raises PackedHistoryError, and writes nothing, if a value is not packed.
        """
        self.write_packed(config, table, packed_rows(data))
        if progress:
            progress(len(data))

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        """Deletes all values of a view, and their versions, by looking at every user."""
        fields = Fields.of(config, table)
        pattern = _redis_key_prefix(table.join_keys) + b"*" + config.project.encode()
        with self._client_of(config) as client:
            for keys in _batched(client.scan_iter(pattern), READ_USERS_MAX):
                run(client, "HDEL", [Call(key, (key, *fields)) for key in keys])

    def close_connections(self) -> None:
        """Closes the connections of all threads; the store opens new ones if it is used again."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Neither: Feast's asynchronous write is not conditional."""
        return SupportedAsyncMethods(read=False, write=False)

    async def online_write_batch_async(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError("Feast's asynchronous write is not conditional: use the other")

    async def _get_client_async(self, _: Any) -> Any:
        raise NotImplementedError("use Feast's synchronous calls")

    @contextmanager
    def _client_of(self, config: RepoConfig) -> Iterator[RedisClient]:
        """The client; what it raises in the block becomes one of `store_errors`."""
        client = self._get_client(config.online_store)
        with translated(self._where):
            yield client

    def _get_client(self, online_store_config: ConditionalRedisOnlineStoreConfig) -> RedisClient:
        client = self._client
        if client is None:
            with self._connecting:
                self._where = StoreUrl.parse(online_store_config.url.get_secret_value())
                client = self._client = self._client or connect(self._where)
        return client


def _batched(keys: Iterator[bytes], count: int) -> Iterator[list[bytes]]:
    while batch := list(islice(keys, count)):
        yield batch
