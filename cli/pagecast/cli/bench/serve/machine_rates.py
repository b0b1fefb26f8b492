"""What one core of this machine can move and multiply: the best of a few tries.

Measured by the thread's CPU time, so that other work on the core is not counted; numpy and
onnxruntime must have been told to use one thread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

TRY_SECONDS = 0.1
"""Of each way: tens of reads of what a step of 16 pages moves."""

SIDE = 1024
"""Of the multiplied square matrices: large enough to reach the peak, in blocks that fit a
second-level cache."""

BIG_BYTES = 256 << 20
"""Far more than any cache holds."""


@dataclass(frozen=True, kw_only=True)
class MachineRates:
    """Of one core."""

    fp32_ops_per_s: float
    int8_ops_per_s: float
    read_bytes_per_s: float
    """From memory, reading far more than the caches hold."""
    copy_bytes_per_s: float
    """Likewise; read and written bytes both count."""


def machine_rates() -> MachineRates:
    """Takes about a second."""
    operations = 2 * SIDE**3
    source = np.ones(BIG_BYTES // 4, np.float32)
    target = np.zeros_like(source)
    return MachineRates(
        fp32_ops_per_s=operations / best_seconds(_fp32_product()),
        int8_ops_per_s=operations / best_seconds(_int8_product()),
        read_bytes_per_s=read_bytes_per_s(BIG_BYTES),
        copy_bytes_per_s=2 * BIG_BYTES / best_seconds(lambda: np.copyto(target, source)),
    )


def read_bytes_per_s(size: int) -> float:
    """The rate of reading the same bytes again and again: what fits into a cache comes from there.

    By the fastest of several ways; which one that is depends on the cache.
    """
    matrix = np.ones((max(1, size // 4 // SIDE), SIDE), np.float32)
    row, column = np.ones(SIDE, np.float32), np.ones(len(matrix), np.float32)
    ways = (matrix.max, lambda: matrix @ row, lambda: column @ matrix)
    return matrix.nbytes / min(best_seconds(way) for way in ways)


def best_seconds(run: Callable[[], object]) -> float:
    """CPU time of the shortest run; the clock is too coarse for less than a tenth of a
    microsecond."""
    run()
    until_s, best_s = time.thread_time() + TRY_SECONDS, float("inf")
    while (began_s := time.thread_time()) < until_s:
        run()
        took_s = time.thread_time() - began_s
        best_s = min(best_s, took_s or best_s)  # 0 is the clock's
    return best_s


def _fp32_product() -> Callable[[], object]:
    left = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32)
    right, product = left.T.copy(), np.empty_like(left)
    return lambda: np.matmul(left, right, out=product)


def _int8_product() -> Callable[[], object]:
    """onnxruntime's MatMulInteger, as no numpy multiplies 8-bit numbers by 8-bit instructions."""
    weights = np.random.default_rng(0).integers(-127, 127, (SIDE, SIDE), np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["states", "weights"], ["product"])],
        "product",
        [helper.make_tensor_value_info("states", TensorProto.UINT8, [SIDE, SIDE])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, [SIDE, SIDE])],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    states = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE), np.uint8)
    return lambda: session.run(None, {"states": states})
