"""The decode graph with 8-bit weights: everything that can be rounded is, the rest is untouched."""

import logging
from collections import Counter

import numpy as np
import onnx
import pytest
from trainer.factories_headed import DecodeExport

from pagecast.engine.bundles.checks import INT8_ERROR_MAX
from pagecast.trainer.export.graphs import graph_specs
from pagecast.trainer.export.int8 import BLOCKS, block_of, int8_form
from pagecast.trainer.export.parity import RandomInputs, rounding_error


def operators(graph: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)


def test_every_product_with_weights_is_rounded_and_nothing_else_changes(
    headed: DecodeExport,
) -> None:
    exact, rounded = operators(headed.graph), operators(int8_form(headed.graph))
    products = exact.pop("MatMul") + exact.pop("Gemm", 0)
    assert products == 5 * headed.model.config.layers + 4
    assert rounded.pop("MatMulNBits") == products
    assert rounded == exact


def test_products_are_of_8_bits_in_blocks(headed: DecodeExport) -> None:
    """Without its accuracy level a product is many times slower, and as right."""
    graph = onnx.load_from_string(int8_form(headed.graph)).graph
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            told = {attribute.name: attribute.i for attribute in node.attribute}
            assert (told["bits"], told["block_size"], told["accuracy_level"]) == (8, BLOCKS[-1], 4)


def test_the_same_graph_gives_the_same_bytes(headed: DecodeExport) -> None:
    assert int8_form(headed.graph) == int8_form(headed.graph)


def test_rounding_costs_something_at_every_shape_but_less_than_is_refused(
    headed: DecodeExport,
) -> None:
    inputs = RandomInputs(model=headed.model, vocabulary=headed.vocabulary)
    spec = graph_specs(headed.model)[2]
    assert 1e-3 < rounding_error(spec, int8_form(headed.graph), inputs) < INT8_ERROR_MAX
    assert rounding_error(spec, headed.graph, inputs) < 1e-5


def test_a_product_that_is_not_rounded_is_told(
    headed: DecodeExport,
) -> None:
    """The library passes over Gemm without a word."""
    proto = onnx.load_from_string(headed.graph)
    product = next(node for node in proto.graph.node if node.op_type == "MatMul")
    product.op_type = "Gemm"
    with pytest.raises(RuntimeError, match=f"8 bits do not reach: {product.name}"):
        int8_form(proto.SerializeToString())


def test_logging_stays_as_it_was(headed: DecodeExport) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    int8_form(headed.graph)
    assert (root.handlers, root.level) == before


@pytest.mark.parametrize(("depths", "block"), [((256, 1024), 256), ((256, 384), 128), ((32,), 128)])
def test_a_block_is_large_where_it_fills_every_product(depths: tuple[int, ...], block: int) -> None:
    nodes = [onnx.helper.make_node("MatMul", ["x", f"w{d}"], [f"y{d}"]) for d in depths]
    weights = [onnx.numpy_helper.from_array(np.ones((d, 3), np.float32), f"w{d}") for d in depths]
    assert block_of(onnx.helper.make_graph(nodes, "graph", [], [], weights)) == block
