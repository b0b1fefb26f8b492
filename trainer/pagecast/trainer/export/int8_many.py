"""The decode graph with 8-bit weights, for runs of many tokens (docs/adr/0023).

Every product with weights becomes one of whole numbers (MatMulInteger with scales), which
processors multiply in tiles: weights with one scale per column, and the states they are multiplied
with rounded at one scale per token, so that a token's rounding does not depend on its neighbours.
Attention, norms and caches stay as they are.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, helper, numpy_helper

from pagecast.trainer.export.int8 import products_with_weights

STATE_LEVELS = 127
"""Of either sign: a state is a whole number of its token's largest by this."""

WEIGHT_LEVELS = 63
"""Likewise a weight of its column's. Seven bits: processors without VNNI add two products in 16
bits, and 2 x 255 x 63 fits. So no processor cuts off sums of whole numbers."""

MIDDLE = 128
"""What stands for zero among the unsigned bytes of a state."""

CONTRIB = "com.microsoft"

_MIDDLE, _LEVEL, _LAST_AXIS = "int8_middle", "int8_level", "int8_last_axis"


def int8_many_form(decode: bytes) -> bytes:
    """The same graph with products of whole numbers; the same graph gives the same bytes.

    Raises RuntimeError if a product with weights is left as it was.
    """
    proto = onnx.load_from_string(decode)
    rounding = _Rounding(proto.graph)
    nodes = [made for node in proto.graph.node for made in rounding.instead_of(node)]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    kept = [t for t in proto.graph.initializer if t.name not in rounding.replaced]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend([*kept, *rounding.made])
    if left := products_with_weights(proto.graph):
        raise RuntimeError(f"products with weights that 8 bits do not reach: {', '.join(left)}")
    return bytes(proto.SerializeToString(deterministic=True))


class _Rounding:
    """Rewrites the nodes of a graph in their order.

    A state's `largest` is what its tokens are divided by before they are rounded: the largest size
    of a number in each. A product is multiplied with it afterwards, unless it is only multiplied
    with another state and then rounded again: what is left out is made up for by the next product.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._users: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._users[name].append(node)
        for output in graph.output:
            self._users[output.name].append(NodeProto())  # who runs the graph
        self.replaced: set[str] = set()
        self.made = [
            numpy_helper.from_array(np.array(MIDDLE, np.uint8), _MIDDLE),
            numpy_helper.from_array(np.array(1 / STATE_LEVELS, np.float32), _LEVEL),
            numpy_helper.from_array(np.array([-1], np.int64), _LAST_AXIS),
        ]
        self._largest: dict[str, str] = {}
        self._left_out: dict[str, str] = {}

    def instead_of(self, node: NodeProto) -> Iterator[NodeProto]:
        if self._is_product(node):
            yield from self._product(node)
            return
        if node.op_type == "Mul":
            for name in node.input:
                if name in self._left_out:
                    self._left_out[node.output[0]] = self._left_out[name]
        yield node

    def _is_product(self, node: NodeProto) -> bool:
        return node.op_type == "MatMul" and node.input[1] in self._weights

    def _product(self, node: NodeProto) -> Iterator[NodeProto]:
        state, weight = node.input
        if state not in self._largest:
            yield from self._round(state)
        largest = self._largest[state]
        if state in self._left_out:
            both = f"{node.output[0]}_largest"
            yield helper.make_node("Mul", [largest, self._left_out[state]], [both])
            largest = both
        made_up_later = self._only_rounded_again(node)
        out = node.output[0] if made_up_later else f"{node.output[0]}_unscaled"
        rounded, scale = self._columns(weight)
        inputs = [f"{state}_rounded", rounded, _LEVEL, scale, _MIDDLE]
        yield helper.make_node("MatMulIntegerToFloat", inputs, [out], domain=CONTRIB)
        if made_up_later:
            self._left_out[out] = largest
        else:
            yield helper.make_node("Mul", [out, largest], [node.output[0]])

    def _round(self, state: str) -> Iterator[NodeProto]:
        """A token of nothing but zeros is divided by zero: whatever it is rounded to, its product
        is multiplied with zero."""
        sizes, shares, largest = f"{state}_sizes", f"{state}_shares", f"{state}_largest"
        yield helper.make_node("Abs", [state], [sizes])
        yield helper.make_node("ReduceMax", [sizes, _LAST_AXIS], [largest], keepdims=1)
        yield helper.make_node("Div", [state, largest], [shares])
        yield helper.make_node("QuantizeLinear", [shares, _LEVEL, _MIDDLE], [f"{state}_rounded"])
        self._largest[state] = largest

    def _columns(self, weight: str) -> tuple[str, str]:
        """Names of the rounded weights and of their columns' scales."""
        names = f"{weight}_rounded", f"{weight}_scale"
        if weight not in self.replaced:
            rounded, scale = round_columns(numpy_helper.to_array(self._weights[weight]))
            parts = zip((rounded, scale), names, strict=True)
            self.made += [numpy_helper.from_array(part, name) for part, name in parts]
            self.replaced.add(weight)
        return names

    def _only_rounded_again(self, node: NodeProto) -> bool:
        users = self._users[node.output[0]]
        if [user.op_type for user in users] != ["Mul"]:
            return False
        if any(name in self._left_out or name in self._weights for name in users[0].input):
            return False
        after = self._users[users[0].output[0]]
        return bool(after) and all(self._is_product(user) for user in after)


def round_columns(
    weight_IO: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers [I, O] of at most WEIGHT_LEVELS and a scale [O] for each column."""
    scale_O = np.maximum(np.abs(weight_IO).max(axis=0) / WEIGHT_LEVELS, np.finfo(np.float32).tiny)
    return np.rint(weight_IO / scale_O).astype(np.int8), scale_O.astype(np.float32)
