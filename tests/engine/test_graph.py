"""A graph in onnxruntime."""

import numpy as np
import pytest

from pagecast.engine.batching.kv_slots import cache_names
from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig, Graph


def test_outputs_come_by_name(bundle: Bundle) -> None:
    caches = {name: np.zeros((1, 2, 5, 16), np.float32) for name in cache_names(2)}
    outputs = bundle.decode.run(
        {
            "tokens_BSD": np.ones((1, 2, 16), np.float32),
            "last_B": np.array([4], np.int32),
            "total": np.array(5, np.int32),
            **caches,
        }
    )
    assert {name: value.shape for name, value in outputs.items()} == {
        "hidden_BSD": (1, 2, 16),
        **{f"new_{name}": (1, 2, 5, 16) for name in caches},
    }


def test_what_onnxruntime_cannot_run_is_an_engine_error_that_names_the_graph(
    bundle: Bundle,
) -> None:
    with pytest.raises(EngineError, match=r"^decode.onnx: "):
        bundle.decode.run({"tokens_BSD": np.ones((1, 2, 17), np.float32)})


def test_a_graph_that_is_none_is_refused() -> None:
    with pytest.raises(BundleError, match=r"^some.onnx: onnxruntime refuses it"):
        Graph("some.onnx", b"", EngineConfig())
