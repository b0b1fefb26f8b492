"""Graphs of the model that a training began from, filled with the weights that it ended with.

torch takes longer to export a model's graphs than an incremental training takes (ADR 25). But the
nodes of a graph follow from code, config and how many names of each sort a vocabulary has, and not
from weights: where these are the same, the base's graphs need other weights and nothing else. The
bytes are those that an export gives.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from pagecast.engine.bundles.files import open_bundle
from pagecast.engine.graph import Array
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.export.graphs import GRAPH_FILES, GraphSpec, graph_specs
from pagecast.trainer.network.model import PageModel

_COUNTED: Mapping[str, tuple[str, ...]] = {
    "entity_tower": ("genres", "languages", "embeddings"),
    "prompt": (),
    "decode": (),
    "heads": ("genres", "languages"),
}
"""By graph: the sorts of a vocabulary's names whose number shows in its nodes. Names of all others
are lines of tables."""

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)


@dataclass(frozen=True, kw_only=True)
class Former:
    """A model, and the graphs that this very code has exported of it, by names of their specs."""

    model: PageModel
    vocabulary: Vocabulary
    graphs: Mapping[str, bytes]

    @classmethod
    def of(cls, bundle: Path, model: PageModel, vocabulary: Vocabulary) -> "Former":
        """Of the bundle that holds this model. Raises BundleError if it does not hold it whole."""
        _, files = open_bundle(bundle)
        graphs = {name: files[file] for name, file in GRAPH_FILES.items() if file in files}
        return cls(model=model, vocabulary=vocabulary, graphs=graphs)

    def refilled(
        self, model: PageModel, vocabulary: Vocabulary, *, heads: bool
    ) -> Mapping[str, bytes]:
        """Graphs of `model` by names of their specs; those that differ in more than weights are
        left out."""
        if self.model.config != model.config or model.config.semantic:
            return {}
        if self.vocabulary.context != vocabulary.context or heads != ("heads" in self.graphs):
            return {}
        pairs = zip(
            graph_specs(self.model, heads=heads), graph_specs(model, heads=heads), strict=True
        )
        filled = {
            now.name: _filled(self.graphs[now.name], was, now)
            for was, now in pairs
            if self._counts_alike(now.name, vocabulary)
        }
        return {name: graph for name, graph in filled.items() if graph is not None}

    def _counts_alike(self, graph: str, vocabulary: Vocabulary) -> bool:
        counted = _COUNTED[graph]
        if graph == "decode" and self.model.config.conditioned_head:
            counted = _COUNTED["heads"]
        return all(getattr(self.vocabulary, n) == getattr(vocabulary, n) for n in counted)


def _filled(graph: bytes, was: GraphSpec, now: GraphSpec) -> bytes | None:
    """None if another torch made the graph, or if a weight cannot be told."""
    proto = onnx.load_from_string(graph)
    if proto.producer_version != torch.__version__:
        return None
    before, after = _tensors(was.module), _tensors(now.module)
    if _merged(proto.graph.initializer, before, after):
        return None
    shapes: dict[str, tuple[int, ...]] = {}
    for tensor in proto.graph.initializer:
        if tensor.name in after:
            value = after[tensor.name]
        elif tensor.data_type in _FLOATS and np.prod(tensor.dims) > 1:
            name = _turned(tensor, before)
            if name is None:
                return None
            value = after[name].T
        else:
            continue  # of the config, or of a sort's number of names
        _fill(tensor, value)
        shapes[tensor.name] = value.shape
    for told in proto.graph.value_info:
        for axis, size in zip(
            told.type.tensor_type.shape.dim, shapes.get(told.name, ()), strict=False
        ):
            axis.dim_value = size
    return bytes(proto.SerializeToString(deterministic=True))


def _merged(
    initializers: Iterable[TensorProto], before: Mapping[str, Array], after: Mapping[str, Array]
) -> bool:
    """Whether one array may stand for two tensors: torch keeps equal ones once, under one name,
    such as biases that have not moved. If either has moved since, one array is not enough."""
    within = [t for t in initializers if t.data_location != TensorProto.EXTERNAL]
    named = {tensor.name for tensor in within}
    moved = [
        value
        for name, value in before.items()
        if name not in named and not np.array_equal(value, after[name])
    ]
    arrays = [numpy_helper.to_array(tensor) for tensor in within]
    return any(np.array_equal(value, array) for value in moved for array in arrays)


def _fill(tensor: TensorProto, value: Array) -> None:
    """In its place, so that all else is as torch wrote it; a table that lay apart moves back."""
    for place in ("dims", "external_data", "data_location"):
        tensor.ClearField(place)
    tensor.dims.extend(value.shape)
    tensor.raw_data = value.tobytes()


def _turned(tensor: TensorProto, values: Mapping[str, Array]) -> str | None:
    """The matrix that torch has folded into its transpose; None if there is none, if two fit, or if
    it lies apart, where only names tell."""
    if len(tensor.dims) != 2 or tensor.data_location == TensorProto.EXTERNAL:
        return None
    turned = numpy_helper.to_array(tensor)
    names = [name for name, value in values.items() if np.array_equal(value.T, turned)]
    return names[0] if len(names) == 1 else None


def _tensors(module: nn.Module) -> dict[str, Array]:
    """Weights and buffers, including those that a checkpoint lacks."""
    named = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().numpy() for name, tensor in named}
