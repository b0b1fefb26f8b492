"""The decode graph with 8-bit weights: everything that can be rounded is, the rest is untouched."""

import logging
from collections import Counter
from dataclasses import replace

import onnx
import pytest
import torch
from trainer.factories_trainer import SMALL

from pagecast.engine.bundle_checks import INT8_ERROR_MAX
from pagecast.featurestore.vocabulary import Vocabulary
from pagecast.trainer.data import Dataset
from pagecast.trainer.graphs import export, graph_specs
from pagecast.trainer.int8 import BLOCK, int8_form
from pagecast.trainer.model import PageModel
from pagecast.trainer.parity import EXAMPLE, RandomInputs, rounding_error

HEADS = replace(SMALL.model, conditioned_head=True, output_dim=24)
"""Every product there can be, of widths that are no multiples of a block."""


@pytest.fixture(scope="module")
def exported(dataset: Dataset) -> tuple[PageModel, Vocabulary, bytes]:
    torch.manual_seed(0)
    model = PageModel(HEADS, dataset.vocabulary).eval()
    for parameter in model.head.parameters():  # those of heads begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    spec = graph_specs(model)[2]
    inputs = RandomInputs(model=model, vocabulary=dataset.vocabulary)
    return model, dataset.vocabulary, export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))


def operators(graph: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)


def test_every_product_with_weights_is_rounded_and_nothing_else_changes(
    exported: tuple[PageModel, Vocabulary, bytes],
) -> None:
    exact, rounded = operators(exported[2]), operators(int8_form(exported[2]))
    products = exact.pop("MatMul") + exact.pop("Gemm", 0)
    assert products == 5 * HEADS.layers + 4
    assert rounded.pop("MatMulNBits") == products
    assert rounded == exact


def test_products_are_of_8_bits_in_blocks(exported: tuple[PageModel, Vocabulary, bytes]) -> None:
    """Without its accuracy level a product is many times slower, and as right."""
    graph = onnx.load_from_string(int8_form(exported[2])).graph
    for node in graph.node:
        if node.op_type == "MatMulNBits":
            told = {attribute.name: attribute.i for attribute in node.attribute}
            assert (told["bits"], told["block_size"], told["accuracy_level"]) == (8, BLOCK, 4)


def test_the_same_graph_gives_the_same_bytes(exported: tuple[PageModel, Vocabulary, bytes]) -> None:
    assert int8_form(exported[2]) == int8_form(exported[2])


def test_rounding_costs_something_at_every_shape_but_less_than_is_refused(
    exported: tuple[PageModel, Vocabulary, bytes],
) -> None:
    model, vocabulary, graph = exported
    spec, inputs = graph_specs(model)[2], RandomInputs(model=model, vocabulary=vocabulary)
    assert 1e-3 < rounding_error(spec, int8_form(graph), inputs) < INT8_ERROR_MAX
    assert rounding_error(spec, graph, inputs) < 1e-5


def test_a_product_that_is_not_rounded_is_told(
    exported: tuple[PageModel, Vocabulary, bytes],
) -> None:
    """The library passes over Gemm without a word."""
    proto = onnx.load_from_string(exported[2])
    product = next(node for node in proto.graph.node if node.op_type == "MatMul")
    product.op_type = "Gemm"
    with pytest.raises(RuntimeError, match=f"8 bits do not reach: {product.name}"):
        int8_form(proto.SerializeToString())


def test_logging_stays_as_it_was(exported: tuple[PageModel, Vocabulary, bytes]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    int8_form(exported[2])
    assert (root.handlers, root.level) == before
