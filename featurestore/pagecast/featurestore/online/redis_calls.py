"""Rows as calls of the scripts: keys, fields and values as Feast lays them out, and the version."""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any, Final, NamedTuple

from feast import FeatureView
from feast.infra.online_stores.helpers import _mmh3, compute_versioned_name
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from pagecast.featurestore.online.packed_store import (
    PACKED,
    PackedRow,
    entity_key,
    fence_of,
    value_bytes,
)
from pagecast.featurestore.online.redis_pipeline import Call
from pagecast.featurestore.online.redis_scripts import version_text

_FENCE: Final = b"pagecast:fence:"


class Fields(NamedTuple):
    """Where a view's row is in a user's hash."""

    value: bytes
    """Feast's: the packed value."""
    time: str
    """Feast's: the row's time."""
    version: str
    """Ours: what the scripts compare."""

    @classmethod
    def of(cls, config: RepoConfig, view: FeatureView) -> "Fields":
        name = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
        return _fields(name)


@cache
def _fields(name: str) -> Fields:
    return Fields(_mmh3(f"{name}:{PACKED}"), f"_ts:{name}", f"_version:{name}")


class RowCalls:
    """Makes the calls for the rows of one view."""

    def __init__(self, config: RepoConfig, view: FeatureView, *, cluster: bool) -> None:
        self._fields = Fields.of(config, view)
        self._project = config.project.encode()
        self._view = view.name
        self._fence_key: Callable[[bytes, bytes], bytes] = _beside if cluster else _anywhere

    def write(self, row: PackedRow) -> Call:
        """For the script WRITE; the row has a value."""
        value = value_bytes(row.value or b"")
        fields = self._fields
        seconds, milliseconds = divmod(row.at_ms, 1000)
        time = Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000).SerializeToString()
        return self._call(row, fields.time, time, fields.value, value)

    def delete(self, row: PackedRow, seconds: int) -> Call:
        """For the script DELETE; the version is remembered for `seconds`."""
        return self._call(row, seconds, self._fields.time, self._fields.value)

    def _call(self, row: PackedRow, *arguments: Any) -> Call:
        key = entity_key(row.user_id, self._view) + self._project
        fence = self._fence_key(key, fence_of(self._view, row.user_id))
        version = (self._fields.version, version_text(row.version))
        return Call(key, (key, fence, *version, *arguments), len(row.value or b""))


def _anywhere(_key: bytes, fence: bytes) -> bytes:
    return _FENCE + fence


def _beside(key: bytes, fence: bytes) -> bytes:
    """A cluster runs a script on keys of one slot only."""
    return b"{" + _tags()[key_slot(key)] + b"}" + _FENCE + fence


@cache
def _tags() -> list[bytes]:
    """For each slot a short text that hashes to it: 50 ms, once a process."""
    tags: dict[int, bytes] = {}
    for number in count():
        tag = b"%x" % number
        tags.setdefault(key_slot(tag), tag)
        if len(tags) == REDIS_CLUSTER_HASH_SLOTS:
            return [tags[slot] for slot in range(REDIS_CLUSTER_HASH_SLOTS)]
    raise AssertionError("unreachable: `count` does not end")
