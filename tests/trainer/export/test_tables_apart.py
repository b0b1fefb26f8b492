"""Large tables are moved out of a graph, which computes the same with them elsewhere."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from safetensors.numpy import load

from pagecast.engine.bundles.manifest import SERVING_FILE
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.trainer.export.tables_apart import tables_apart

LARGE = np.arange(40, dtype=np.float32).reshape(10, 4)
SMALL = np.ones((10, 1), np.float32) / 3
NUMBERS = np.arange(100, dtype=np.int64)
ROWS = {"rows": np.array([[1.0, 2.0]], np.float32)}
OF_SIZE = LARGE.nbytes
INPUTS = {"id_E": np.array([7, 0])}


@pytest.fixture
def graph() -> bytes:
    """y = large[id] + small[id], of which only `large` is said to be large."""
    proto = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["": 20]>'
        " tables (int64[E] id_E) => (float[E,4] y_ED, int64[E] z_E)"
        " { a = Gather(large, id_E) b = Gather(small, id_E) y_ED = Add(a, b)"
        " z_E = Gather(numbers, id_E) }"
    )
    for name, table in (("large", LARGE), ("small", SMALL), ("numbers", NUMBERS)):
        proto.graph.initializer.append(numpy_helper.from_array(table, name))
    return bytes(proto.SerializeToString())


def test_the_graph_computes_the_same_from_tables_that_lie_elsewhere(graph: bytes) -> None:
    apart, contents = tables_apart(graph, "t/", ROWS, OF_SIZE)
    stored = load(contents)
    assert set(stored) == {"rows", "t/large"}
    np.testing.assert_array_equal(stored["t/large"], LARGE)
    found = Graph("apart", apart, EngineConfig(), {"large": stored["t/large"]}).run(INPUTS)
    expected = Graph("whole", graph, EngineConfig()).run(INPUTS)
    np.testing.assert_array_equal(found["y_ED"], expected["y_ED"])
    np.testing.assert_array_equal(found["z_E"], expected["z_E"])


def test_who_opens_the_file_by_its_path_need_not_know(graph: bytes, tmp_path: Path) -> None:
    apart, contents = tables_apart(graph, "t/", ROWS, OF_SIZE)
    (tmp_path / "apart.onnx").write_bytes(apart)
    (tmp_path / SERVING_FILE).write_bytes(contents)
    session = onnxruntime.InferenceSession(
        str(tmp_path / "apart.onnx"), providers=["CPUExecutionProvider"]
    )
    expected = Graph("whole", graph, EngineConfig()).run(INPUTS)
    np.testing.assert_array_equal(session.run(["y_ED"], INPUTS)[0], expected["y_ED"])


def test_a_graph_of_small_tables_stays_whole(graph: bytes) -> None:
    apart, contents = tables_apart(graph, "t/", ROWS, OF_SIZE + 1)
    assert onnx.load_from_string(apart) == onnx.load_from_string(graph)
    assert set(load(contents)) == {"rows"}


def test_the_same_graph_gives_the_same_bytes(graph: bytes) -> None:
    assert tables_apart(graph, "t/", ROWS, OF_SIZE) == tables_apart(graph, "t/", ROWS, OF_SIZE)


@pytest.mark.parametrize(
    "tables", [{}, {"large": LARGE[:3]}, {"large": LARGE.astype(np.float64)}, {"small": LARGE}]
)
def test_a_graph_without_its_tables_is_refused(graph: bytes, tables: dict[str, np.ndarray]) -> None:
    apart, _ = tables_apart(graph, "t/", ROWS, OF_SIZE)
    with pytest.raises(BundleError, match=r"apart.onnx: onnxruntime refuses it"):
        Graph("apart.onnx", apart, EngineConfig(), tables)
