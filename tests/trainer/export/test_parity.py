import dataclasses
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from trainer.factories_trainer import SMALL

from pagecast.engine.bundles.manifest import PROMPT_FILE
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import (
    DIFFERENCE_MAX,
    EXAMPLE,
    ParityError,
    RandomInputs,
    compare,
)
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.network.model import PageModel

Outcome = tuple[TrainOutcome, list[str], StatePaths]


def test_inputs_have_the_shapes_of_their_graph(dataset: Dataset) -> None:
    inputs = RandomInputs(
        model=PageModel(SMALL.model, dataset.vocabulary), vocabulary=dataset.vocabulary
    )
    for spec in graph_specs(inputs.model):
        drawn = inputs.draw(spec.name, EXAMPLE, seed=0)
        for value, axes in zip(drawn, spec.inputs.values(), strict=True):
            assert {axis: value.shape[axis] for axis in axes} == {
                axis: EXAMPLE[name] for axis, name in axes.items()
            }


def test_a_published_graph_is_the_model(outcome: Outcome) -> None:
    model, vocabulary, _ = load_model(outcome[0].bundle)
    prefill = graph_specs(model)[1]
    graph = (outcome[0].bundle / PROMPT_FILE).read_bytes()
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    assert compare(prefill, graph, inputs) < DIFFERENCE_MAX / 10


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"people": ("Ada", "Grace"), "origins": ("DE",)},
        {"embeddings": (("image", 3), ("text", 5))},
    ],
    ids=["no names", "names", "content"],
)
def test_an_exported_tower_is_the_model(dataset: Dataset, known: dict[str, Any]) -> None:
    vocabulary = dataclasses.replace(dataset.vocabulary, **known)
    torch.manual_seed(0)
    model = PageModel(SMALL.model, vocabulary).eval()
    for parameter in model.tower.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    tower = graph_specs(model)[0]
    graph = export(tower, inputs.draw(tower.name, EXAMPLE, seed=0))
    assert compare(tower, graph, inputs) < DIFFERENCE_MAX
    operators = {node.op_type for node in onnx.load_from_string(graph).graph.node}
    assert not operators & {"Loop", "Scan", "If"}, "entities go through the graph all at once"


def test_a_graph_with_one_altered_weight_is_refused(outcome: Outcome) -> None:
    model, vocabulary, _ = load_model(outcome[0].bundle)
    proto = onnx.load_from_string((outcome[0].bundle / PROMPT_FILE).read_bytes())
    largest = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights = onnx.numpy_helper.to_array(largest).copy()
    weights[np.unravel_index(0, weights.shape)] += 100.0
    largest.CopyFrom(onnx.numpy_helper.from_array(weights, largest.name))
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    with pytest.raises(ParityError, match=r"prompt\.onnx differs .* nothing was published"):
        compare(graph_specs(model)[1], proto.SerializeToString(), inputs)
