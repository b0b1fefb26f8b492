import pytest
from factories_stores import stored_history
from hypothesis import example, given
from hypothesis import strategies as st

from pagecast.featurestore.history.packing import PackedHistoryError, pack
from pagecast.featurestore.online.feast_import import import_feast
from pagecast.featurestore.online.packed_store import (
    JOIN_KEY,
    entity_key,
    fence_of,
    packed_of,
    value_bytes,
)

import_feast()


@given(user_id=st.text(min_size=1))
def test_a_user_is_found_by_the_key_that_feast_makes(user_id: str) -> None:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    feasts = EntityKey(join_keys=[JOIN_KEY], entity_values=[Value(string_val=user_id)])
    assert entity_key(user_id) == serialize_entity_key(feasts, 3)


@given(packed=st.binary())
@example(packed=b"")
@example(packed=bytes(127))
@example(packed=bytes(128))
@example(packed=bytes(16_384))
def test_a_value_is_what_feast_reads_and_comes_back(packed: bytes) -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    value = value_bytes(packed)
    assert value == Value(bytes_val=packed).SerializeToString()
    assert packed_of(value) == packed


def test_a_value_of_another_kind_is_refused() -> None:
    from feast.protos.feast.types.Value_pb2 import Value

    whole = value_bytes(pack(stored_history("ada", 1)))
    others = [Value(string_val="x"), Value(int64_val=300), Value()]
    for value in [*(v.SerializeToString() for v in others), whole[:-1], whole + b"x", b"\x0a\x80"]:
        with pytest.raises(PackedHistoryError):
            packed_of(value)


def test_a_fence_does_not_show_whose_it_is() -> None:
    fences = {fence_of(view, user) for view in ("history", "profile") for user in ("ada", "bob")}
    assert len(fences) == 4
    assert not any(b"ada" in fence for fence in fences)
