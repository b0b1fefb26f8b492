"""Tensors equal the library's, and what is not a safetensors file is refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load, save

from pagecast.engine.bundles.tensor_file import TensorFile

KINDS = st.sampled_from(
    (np.float64, np.float32, np.float16, np.int64, np.int32, np.uint8, np.bool_)
)
TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    KINDS.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_side=4))),
    max_size=4,
)


@settings(max_examples=25)
@given(tensors=TENSORS)
def test_they_are_what_was_saved(tensors: dict[str, Any]) -> None:
    data = save(tensors)
    found = TensorFile(data)
    assert set(found) == set(load(data)) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_nothing_is_copied() -> None:
    found = TensorFile(save({"a": np.arange(6)}))
    assert not found["a"].flags.owndata
    assert not found["a"].flags.writeable


def file_of(header: object, data: bytes = bytes(8)) -> bytes:
    told = json.dumps(header).encode()
    return len(told).to_bytes(8, "little") + told + data


RIGHT = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04pickle",
        file_of({"a": RIGHT})[:20],
        file_of([1]),
        file_of({"a": RIGHT}, bytes(7)),
        file_of({"a": RIGHT | {"data_offsets": [0, 4]}}),
        file_of({"a": RIGHT | {"data_offsets": [-8, 0]}}),
        file_of({"a": RIGHT | {"shape": [-2]}}),
        file_of({"a": RIGHT | {"dtype": "F8"}}),
        file_of({"a": {"dtype": "F32"}}),
        file_of({"a": 3}),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TensorFile(data)
