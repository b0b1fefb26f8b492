"""Published embeddings as the online stores keep them, and as Feast finds them."""

import numpy as np
import pytest
from factories_stores import stored_history, stored_version
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history.history import HistoryVersion
from pagecast.featurestore.history.packing import PackedHistoryError, pack, peek_version
from pagecast.featurestore.models.embeddings import (
    Embedding,
    EmbeddingKind,
    catalog_version,
    pack_embedding,
    unpack_embedding,
)
from pagecast.featurestore.online.packed_store import JOIN_KEY, JOIN_KEYS, entity_key
from pagecast.featurestore.online.store import OnlineFeatures

VECTORS = st.lists(st.floats(-1e6, 1e6, width=32), max_size=8)


def embedding(name: str, version: HistoryVersion, *output: float, model: str = "m") -> Embedding:
    return Embedding(
        name=name,
        model_version=model,
        embedded_at_ms=5,
        version=version,
        output_O=np.array(output, np.float32),
        input_D=np.array(output[::-1], np.float32),
    )


def told(one: Embedding) -> tuple[object, ...]:
    return (
        one.name,
        one.model_version,
        one.embedded_at_ms,
        one.version,
        one.output_O.tolist(),
        one.input_D.tolist(),
    )


@given(VECTORS, st.text(st.characters(categories=["L", "N"]), max_size=5), st.integers(0, 2**40))
def test_unpacking_is_the_inverse_of_packing(vector: list[float], name: str, number: int) -> None:
    one = embedding(name, catalog_version(number), *vector)
    packed = pack_embedding(one)
    assert told(unpack_embedding(name, packed)) == told(one)
    assert peek_version(packed) == one.version


def test_a_history_is_no_embedding() -> None:
    with pytest.raises(PackedHistoryError, match="it begins with b'PCH'"):
        unpack_embedding("ada", pack(stored_history("ada", 3)))


@pytest.mark.parametrize("kind", EmbeddingKind)
def test_keys_are_feasts_own(kind: EmbeddingKind) -> None:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    join_key = JOIN_KEYS.get(kind.view, JOIN_KEY)
    key = EntityKey(join_keys=[join_key], entity_values=[Value(string_val="nä me")])
    assert entity_key("nä me", kind.view) == serialize_entity_key(key, 3)


def test_each_kind_has_its_own(online: OnlineFeatures) -> None:
    for number, kind in enumerate(EmbeddingKind):
        written = [embedding(name, stored_version(7), number, 1.0) for name in ("x", "y")]
        assert online.write_embeddings(kind, written) == []
    for number, kind in enumerate(EmbeddingKind):
        found = online.read_embeddings(kind, ["y", "none", "x"])
        assert {name: one.output_O.tolist() for name, one in found.items()} == {
            "x": [number, 1.0],
            "y": [number, 1.0],
        }


def test_what_was_made_from_an_older_history_is_refused(online: OnlineFeatures) -> None:
    kind = EmbeddingKind.USER
    online.write_embeddings(kind, [embedding("ada", stored_version(9), 9.0)])
    late = [embedding("ada", stored_version(8), 8.0), embedding("bob", stored_version(1), 1.0)]
    assert online.write_embeddings(kind, late) == ["ada"]
    again = [embedding("ada", stored_version(9), 10.0, model="newer")]
    assert online.write_embeddings(kind, again) == [], "by another model, of the same history"
    assert online.read_embeddings(kind, ["ada"])["ada"].model_version == "newer"


def test_with_a_history_goes_what_was_made_from_it(online: OnlineFeatures) -> None:
    kind = EmbeddingKind.USER
    online.write_embeddings(kind, [embedding(u, stored_version(4), 1.0) for u in ("ada", "bob")])
    # As an erasure does: the order stands behind the last event of the history.
    online.delete_histories({"ada": stored_version(5)})
    assert set(online.read_embeddings(kind, ["ada", "bob"])) == {"bob"}
    assert online.write_embeddings(kind, [embedding("ada", stored_version(4), 1.0)]) == ["ada"]
    assert online.write_embeddings(kind, [embedding("ada", stored_version(6), 1.0)]) == []
