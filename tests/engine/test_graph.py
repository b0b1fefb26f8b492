"""A graph in onnxruntime."""

import numpy as np
import pytest

from pagecast.engine.bundle import Bundle
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig, Graph


def test_outputs_come_by_name(bundle: Bundle) -> None:
    past = np.zeros((2, 1, 2, 3, 8), np.float32)
    outputs = bundle.decode.run(
        {
            "tokens_BSD": np.ones((1, 2, 16), np.float32),
            "past_keys_LBHPK": past,
            "past_values_LBHPK": past,
        }
    )
    assert {name: value.shape for name, value in outputs.items()} == {
        "hidden_BSD": (1, 2, 16),
        "keys_LBHSK": (2, 1, 2, 2, 8),
        "values_LBHSK": (2, 1, 2, 2, 8),
    }


def test_what_onnxruntime_cannot_run_is_an_engine_error_that_names_the_graph(
    bundle: Bundle,
) -> None:
    with pytest.raises(EngineError, match=r"^decode.onnx: "):
        bundle.decode.run({"tokens_BSD": np.ones((1, 2, 17), np.float32)})


def test_a_graph_that_is_none_is_refused() -> None:
    with pytest.raises(BundleError, match=r"^some.onnx: onnxruntime refuses it"):
        Graph("some.onnx", b"", EngineConfig())
