"""The decode graph with 8-bit weights, made from the exported one (docs/adr/0012).

Every product with weights becomes onnxruntime's MatMulNBits: weights in blocks of 8-bit numbers
with a scale each, the states they are multiplied with rounded to 8 bits as they come. Attention,
norms and caches stay as they are.
"""

import logging
from collections.abc import Collection
from types import ModuleType

import onnx

BLOCKS = (256, 128)
"""Weights that share a scale: the larger where it divides the input of every product. It saves a
twentieth of a step of one page; blocks of 32 were a fifth slower and hardly more exact. An input
that is not a multiple is padded with zeros, which are read as well."""

INT8_PRODUCTS = 4
"""onnxruntime's `accuracy_level`: multiply in 8 bits. Unset, a product is 25 times slower."""

BITS = 8


def int8_form(decode: bytes) -> bytes:
    """The same graph with 8-bit weights; the same graph gives the same bytes.

    Raises RuntimeError if a product with weights is left as it was: then nothing would be gained,
    and nobody would notice.
    """
    library, exact = _library(), onnx.load_from_string(decode)
    config = library.DefaultWeightOnlyQuantConfig(
        block_size=block_of(exact.graph),
        is_symmetric=True,
        accuracy_level=INT8_PRODUCTS,
        bits=BITS,
    )
    quantizer = library.MatMulNBitsQuantizer(exact, algo_config=config)
    quantizer.process()
    proto: onnx.ModelProto = quantizer.model.model
    if left := products_with_weights(proto.graph):
        raise RuntimeError(f"products with weights that 8 bits do not reach: {', '.join(left)}")
    return bytes(proto.SerializeToString(deterministic=True))


def block_of(graph: onnx.GraphProto) -> int:
    """The block of a graph's products."""
    depth = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    depths = [depth[node.input[1]] for node in graph.node if _is_product(node, depth)]
    return next((b for b in BLOCKS if all(d % b == 0 for d in depths)), BLOCKS[-1])


def products_with_weights(graph: onnx.GraphProto) -> list[str]:
    """Names of the products whose weights are not rounded."""
    weights = {tensor.name for tensor in graph.initializer}
    return [node.name for node in graph.node if _is_product(node, weights)]


def _is_product(node: onnx.NodeProto, weights: Collection[str]) -> bool:
    return node.op_type in ("MatMul", "Gemm") and any(name in weights for name in node.input[1:])


def _library() -> ModuleType:
    """Imported late and quietly: it takes over the root logger and reports every node."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from onnxruntime.quantization import matmul_nbits_quantizer as library

    root.handlers[:] = handlers
    root.setLevel(level)
    library.logger.setLevel(logging.WARNING)
    module: ModuleType = library
    return module
