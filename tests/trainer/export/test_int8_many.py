"""The form for runs of many tokens: whole numbers, rounded token by token."""

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_headed import DecodeExport

from pagecast.engine.bundles.checks import INT8_ERROR_MAX
from pagecast.engine.graph import EngineConfig, FloatArray, Graph
from pagecast.trainer.export.graphs import graph_specs
from pagecast.trainer.export.int8_many import WEIGHT_LEVELS, int8_many_form, round_columns
from pagecast.trainer.export.parity import RandomInputs, rounding_error

ADDED = {"Abs", "ReduceMax", "Div", "QuantizeLinear", "MatMulIntegerToFloat"}


@pytest.fixture(scope="module")
def form(headed: DecodeExport) -> bytes:
    return int8_many_form(headed.graph)


def operators(graph: bytes) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load_from_string(graph).graph.node)


def run(form: bytes, headed: DecodeExport, tokens_BSD: FloatArray, seed: int = 0) -> FloatArray:
    """Hidden states after new tokens of so many pages, 20 positions after the same past each."""
    pages, new, _ = tokens_BSD.shape
    inputs = RandomInputs(model=headed.model, vocabulary=headed.vocabulary)
    drawn = inputs.draw("decode", {"B": 16, "S": new, "P": 20, "C": 20 + new}, seed)
    spec = graph_specs(headed.model)[2]
    fed = {name: value.numpy() for name, value in zip(spec.inputs, drawn, strict=True)}
    fed = {name: value[:pages] if value.ndim else value for name, value in fed.items()}
    return Graph("many", form, EngineConfig()).run(fed | {"tokens_BSD": tokens_BSD})["hidden_BSD"]


def tokens(pages: int, new: int, width: int) -> FloatArray:
    return np.random.default_rng(1).normal(size=(pages, new, width)).astype(np.float32)


def test_every_product_with_weights_is_of_whole_numbers(headed: DecodeExport, form: bytes) -> None:
    exact, rounded = operators(headed.graph), operators(form)
    products = exact.pop("MatMul")
    assert rounded["MatMulIntegerToFloat"] == products
    for name in ADDED:
        del rounded[name]
    # Gate and up are of one state, which is rounded once; up is scaled after the next product.
    layers = headed.model.config.layers
    assert rounded.pop("Mul") - exact.pop("Mul") == products - layers + layers
    assert rounded == exact


def test_a_state_is_rounded_once(headed: DecodeExport, form: bytes) -> None:
    products = operators(headed.graph)["MatMul"]
    states = products - headed.model.config.layers - 1  # up, and one of the head's two
    assert operators(form)["QuantizeLinear"] == states


def test_the_same_graph_gives_the_same_bytes(headed: DecodeExport, form: bytes) -> None:
    assert int8_many_form(headed.graph) == form


def test_rounding_costs_something_at_every_shape_but_less_than_is_refused(
    headed: DecodeExport, form: bytes
) -> None:
    inputs = RandomInputs(model=headed.model, vocabulary=headed.vocabulary)
    assert 1e-3 < rounding_error(graph_specs(headed.model)[2], form, inputs) < INT8_ERROR_MAX


def test_no_page_is_rounded_otherwise_for_its_neighbours(headed: DecodeExport, form: bytes) -> None:
    """Bit for bit, even beside a page a thousand times as large."""
    tokens_BSD = tokens(16, 1, headed.model.config.d_model)
    few = run(form, headed, tokens_BSD[:9])
    tokens_BSD[9:] *= 1000
    np.testing.assert_array_equal(run(form, headed, tokens_BSD)[:9], few)


def test_the_largest_numbers_that_there_can_be_add_up_on_every_processor() -> None:
    """Without VNNI two products are added in 16 bits; what does not fit there would be cut off."""
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1]>
        g (float[S, 64] x) => (float[S, 8] y) { y = MatMul(x, weight) }"""
    )
    weight = np.ones((64, 8), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    form = int8_many_form(model.SerializeToString())
    found = Graph("g", form, EngineConfig()).run({"x": np.ones((9, 64), np.float32)})
    np.testing.assert_allclose(found["y"], 64.0, rtol=1e-5)
    # Processors with VNNI add in 32 bits and would not notice.
    assert 2 * 255 * WEIGHT_LEVELS < 2**15


def test_a_token_of_zeros_is_a_number(headed: DecodeExport, form: bytes) -> None:
    tokens_BSD = tokens(1, 9, headed.model.config.d_model)
    tokens_BSD[0, 4] = 0.0
    exact = run(headed.graph, headed, tokens_BSD)
    error = np.linalg.norm(run(form, headed, tokens_BSD) - exact) / np.linalg.norm(exact)
    assert error < INT8_ERROR_MAX


def test_a_product_that_is_not_rounded_is_told(headed: DecodeExport) -> None:
    proto = onnx.load_from_string(headed.graph)
    product = next(node for node in proto.graph.node if node.op_type == "MatMul")
    product.op_type = "Gemm"
    with pytest.raises(RuntimeError, match=f"8 bits do not reach: {product.name}"):
        int8_many_form(proto.SerializeToString())


@pytest.mark.parametrize("outputs", ["y", "y, h"])
def test_a_scale_that_is_left_out_is_made_up_for(outputs: str) -> None:
    """Unless somebody else reads what it is left out of."""
    rng = np.random.default_rng(0)
    declared = ", ".join(f"float[S, 8] {name}" for name in outputs.split(", "))
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["" : 20, "com.microsoft" : 1]>
        g (float[S, 8] x) => ({declared}) {{
            p = MatMul(x, first) h = Mul(p, x) y = MatMul(h, second)
        }}"""
    )
    for name in ("first", "second"):
        weight = rng.normal(size=(8, 8)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, name))
    exact = model.SerializeToString()
    fed = {"x": rng.normal(size=(9, 8)).astype(np.float32) * np.float32(50)}
    expected, found = (
        Graph("g", graph, EngineConfig()).run(fed) for graph in (exact, int8_many_form(exact))
    )
    for name, value in expected.items():
        error = np.linalg.norm(found[name] - value) / np.linalg.norm(value)
        assert 0.0 < error < INT8_ERROR_MAX


@given(
    st.lists(
        st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3), min_size=1, max_size=9
    )
)
def test_a_weight_is_off_by_at_most_half_a_level_of_its_column(rows: list[list[float]]) -> None:
    weight_IO = np.array(rows, np.float32)
    rounded_IO, scale_O = round_columns(weight_IO)
    assert np.abs(rounded_IO.astype(int)).max() <= WEIGHT_LEVELS
    assert (np.abs(rounded_IO * scale_O - weight_IO) <= 0.5001 * scale_O).all()
