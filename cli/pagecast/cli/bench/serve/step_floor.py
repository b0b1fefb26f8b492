"""What any decode step must move and multiply.

Letters in names: C candidates of a row, O width of hidden states.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

from pagecast.cli.bench.serve.machine_rates import MachineRates
from pagecast.engine.bundles.manifest import DecodeWeights, ModelShape

_FLOAT_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class StepWork:
    """Of one step of so many pages."""

    weight_bytes: int
    """The graph's, read once however many the pages."""
    cache_bytes: int
    """Keys and values of all pages' positions."""
    head_bytes: int
    """Output embeddings of each page's candidates."""
    weight_ops: int
    """Multiplications and additions with weights."""
    other_ops: int
    """Those of attention and of candidates, in fp32 in every form."""

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.cache_bytes + self.head_bytes

    @property
    def ops(self) -> int:
        return self.weight_ops + self.other_ops

    def floor_s(
        self, weights: DecodeWeights, rates: MachineRates, read_bytes_per_s: float
    ) -> float:
        """The longer of moving everything and multiplying everything; at best both happen at once.

        `read_bytes_per_s` is the rate for that many bytes, which caches may hold between steps.
        """
        rate = rates.int8_ops_per_s if weights is DecodeWeights.INT8 else rates.fp32_ops_per_s
        multiply_s = self.weight_ops / rate + self.other_ops / rates.fp32_ops_per_s
        return max(self.bytes / read_bytes_per_s, multiply_s)


def step_work(
    bundle: Path, weights: DecodeWeights, shape: ModelShape, pages: int, positions: int, row_c: int
) -> StepWork:
    """The work of pages with `positions` each, in rows of `row_c` candidates.

    Leaves out norms, tokens and hidden states: some kilobytes. Caches are fp32 in both forms.
    """
    width = shape.query_heads * shape.head_dim
    entries = pages * 2 * shape.layers * shape.kv_heads * shape.head_dim * positions
    return StepWork(
        weight_bytes=_weight_bytes(bundle / weights.file, shape),
        cache_bytes=entries * _FLOAT_BYTES,
        head_bytes=pages * row_c * shape.output_dim * _FLOAT_BYTES,
        weight_ops=2 * pages * _weights(bundle / DecodeWeights.FP32.file, shape),
        other_ops=pages * (4 * width * positions * shape.layers + 2 * row_c * shape.output_dim),
    )


def _weight_bytes(graph: Path, shape: ModelShape) -> int:
    """Bytes of all that is multiplied with states, in either form: with scales, without the table
    of rotations, of which a step reads a line."""
    initializers = onnx.load(graph).graph.initializer
    return sum(_size(tensor) for tensor in initializers if _counts(tensor, shape))


def _weights(graph: Path, shape: ModelShape) -> int:
    """Numbers in the exact graph's matrices."""
    initializers = onnx.load(graph).graph.initializer
    return sum(prod(t.dims) for t in initializers if _counts(t, shape) and len(t.dims) == 2)


def _size(tensor: onnx.TensorProto) -> int:
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    return int(prod(tensor.dims)) * int(kind.itemsize)


def _counts(tensor: onnx.TensorProto, shape: ModelShape) -> bool:
    return list(tensor.dims[:1]) != [shape.positions_max]
