"""The decode graph with 8-bit weights, made from the exported one (docs/adr/0012).

Every product with weights becomes onnxruntime's MatMulNBits: weights in blocks of 8-bit numbers
with a scale each, the states they are multiplied with rounded to 8 bits as they come. Attention,
norms and caches stay as they are.
"""

import logging
from types import ModuleType

import onnx

BLOCK = 128
"""Weights that share a scale. Blocks of 32 were no more exact here and a fifth slower."""

INT8_PRODUCTS = 4
"""onnxruntime's `accuracy_level`: multiply in 8 bits. Unset, a product is 25 times slower."""

BITS = 8


def int8_form(decode: bytes) -> bytes:
    """The same graph with 8-bit weights; the same graph gives the same bytes.

    Raises RuntimeError if a product with weights is left as it was: then nothing would be gained,
    and nobody would notice.
    """
    library = _library()
    config = library.DefaultWeightOnlyQuantConfig(
        block_size=BLOCK, is_symmetric=True, accuracy_level=INT8_PRODUCTS, bits=BITS
    )
    quantizer = library.MatMulNBitsQuantizer(onnx.load_from_string(decode), algo_config=config)
    quantizer.process()
    proto: onnx.ModelProto = quantizer.model.model
    if left := _products_with_weights(proto.graph):
        raise RuntimeError(f"products with weights that 8 bits do not reach: {', '.join(left)}")
    return bytes(proto.SerializeToString(deterministic=True))


def _products_with_weights(graph: onnx.GraphProto) -> list[str]:
    weights = {tensor.name for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm") and weights & set(node.input)
    ]


def _library() -> ModuleType:
    """Imported late and quietly: it takes root's logging for itself and tells of every node."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from onnxruntime.quantization import matmul_nbits_quantizer as library

    root.handlers[:] = handlers
    root.setLevel(level)
    library.logger.setLevel(logging.WARNING)
    module: ModuleType = library
    return module
