"""Large tables of a graph, moved out of it into a safetensors file beside it.

onnxruntime copies what is in a graph, and keeps Python's lock meanwhile; a table that is handed to
it is used where it lies (https://github.com/microsoft/onnxruntime/issues/27063). The graph stays an
ordinary ONNX file with external data: opening it by its path needs no special knowledge.
"""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from safetensors.numpy import save

from pagecast.engine.bundles.manifest import SERVING_FILE
from pagecast.engine.bundles.tensor_file import TensorFile
from pagecast.engine.graph import Array

TABLE_BYTES_MIN = 1 << 20
"""A smaller one is copied in less than a tenth of a millisecond."""


def tables_apart(
    graph: bytes, prefix: str, others: Mapping[str, Array], bytes_min: int = TABLE_BYTES_MIN
) -> tuple[bytes, bytes]:
    """The graph without its tables of `bytes_min` and more, and the contents of SERVING_FILE: these
    tables, by `prefix` and their names in the graph, and the `others`."""
    proto = onnx.load_from_string(graph)
    large = [
        tensor
        for tensor in proto.graph.initializer
        if len(tensor.raw_data) >= bytes_min and tensor.data_type == TensorProto.FLOAT
    ]
    tables = {prefix + tensor.name: numpy_helper.to_array(tensor) for tensor in large}
    contents = save({n: np.ascontiguousarray(table) for n, table in {**others, **tables}.items()})
    stored = TensorFile(contents)
    for tensor in large:
        begin, size_bytes = stored.place(prefix + tensor.name)
        _move(tensor, begin, size_bytes)
    return bytes(proto.SerializeToString(deterministic=True)), contents


def _move(tensor: TensorProto, begin: int, size_bytes: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    place = {"location": SERVING_FILE, "offset": str(begin), "length": str(size_bytes)}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=value)
