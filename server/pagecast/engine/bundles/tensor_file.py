"""Tensors of a safetensors file as views on its bytes: one that nobody asks for costs nothing.

The library copies every tensor of a file, and holds Python's lock meanwhile: 0.2 s for the
checkpoint of 100,000 entities, of which a server needs two small tables. The format is eight bytes
with a length, a JSON header of that length, then the data
(https://github.com/huggingface/safetensors).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pagecast.engine.graph import Array

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip

LENGTH_BYTES = 8
"""Of the header's length, a little-endian number."""


class TensorFile(Mapping[str, Array]):
    """Read-only arrays by name. Each keeps all bytes of the file in memory: copy what is kept."""

    def __init__(self, data: bytes) -> None:
        """Raises ValueError if it is no safetensors file."""
        self._begin = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
        if len(data) < LENGTH_BYTES or self._begin > len(data):
            raise ValueError("its header is longer than the file")
        header = json.loads(data[LENGTH_BYTES : self._begin])
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        header.pop("__metadata__", None)
        self._data, self._told = data, header
        for name in header:
            self[name]  # a tensor that does not fit is noticed now

    def __getitem__(self, name: str) -> Array:
        told: dict[str, Any] = self._told[name]
        try:
            kind, shape = np.dtype(_TYPES[told["dtype"]]), tuple(told["shape"])
            begin, end = told["data_offsets"]
            count = int(np.prod(shape, dtype=np.int64))
            if begin < 0 or end - begin != count * kind.itemsize:
                raise ValueError("its place is not of its size")
            array = np.frombuffer(self._data, kind, count, self._begin + begin)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"tensor {name!r}: {error}") from error
        return array.reshape(shape)

    def place(self, name: str) -> tuple[int, int]:
        """Where in the file a tensor begins, and how many bytes it takes."""
        begin, end = self._told[name]["data_offsets"]
        return self._begin + begin, end - begin

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)
