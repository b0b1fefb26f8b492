"""A fitted task becomes a directory of its own kind: graphs, head, manifest.

It makes no pages, so it is not in the registry. Its graphs are subgraphs for others: encode users
and entities, keep the embeddings, and ask the head.

Letters: B prompts, T positions, E entities, X rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from pydantic import BaseModel, ConfigDict, JsonValue
from safetensors.torch import save
from torch import Tensor

from pagecast.engine.bundles.manifest import (
    CHECKPOINT_FILE,
    MANIFEST_FILE,
    VOCABULARY_FILE,
    FileDigest,
    bundle_version,
)
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.export.bundle import publish
from pagecast.trainer.export.graphs import OPSET, GraphSpec, export
from pagecast.trainer.export.parity import DIFFERENCE_MAX, ParityError, RandomInputs, run_torch
from pagecast.trainer.network.tower import FEATURES
from pagecast.trainer.tasks.fitting import Trunk
from pagecast.trainer.tasks.head import TaskHead
from pagecast.trainer.tasks.rows import LabelKind

SHAPES: Sequence[Mapping[str, int]] = (
    {"B": 3, "T": 7, "E": 5, "X": 4},
    {"B": 1, "T": 2, "E": 1, "X": 1},
    {"B": 2, "T": 41, "E": 64, "X": 65},
)
"""Shapes at which each graph is compared with torch; the export is traced with the first."""


class TaskManifest(BaseModel):
    """`manifest.json`. `version` is the content address of `files`, as a model's is.

    `score` tells what `task.onnx` gives: one chance, one number, or the chance of each class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["task"] = "task"
    version: str
    base_version: str
    whole: bool
    score: LabelKind
    classes: tuple[str, ...]
    of_entities: bool
    files: dict[str, FileDigest]
    opset: int = OPSET
    metrics: dict[str, float]
    data: dict[str, JsonValue]
    config: dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What the manifest tells beside the files."""

    base_version: str
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    data: Mapping[str, JsonValue]
    config: Mapping[str, JsonValue]
    whole: bool


def write_task(
    folder: Path, head: TaskHead, trunk: Trunk, vocabulary: Vocabulary, facts: TaskFacts
) -> TaskManifest:
    """Exports, compares and publishes `folder/<version>`; it appears whole or not at all.

    Raises ParityError if a graph differs from what was fitted.
    """
    files = {VOCABULARY_FILE: vocabulary.to_json().encode()}
    inputs = RandomInputs(model=trunk.model.eval(), vocabulary=vocabulary)
    differences = {}
    for spec, draws in _graphs(head.eval(), trunk, inputs):
        files[f"{spec.name}.onnx"] = graph = export(spec, draws[0])
        differences[f"{spec.name}_difference_max"] = _compared(spec, graph, draws)
    weights = {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
    if facts.whole:
        moved = trunk.model.state_dict().items()
        weights |= {f"model.{name}": tensor.contiguous() for name, tensor in moved}
    files[CHECKPOINT_FILE] = save(weights)
    digests = {name: FileDigest.of(data) for name, data in files.items()}
    manifest = TaskManifest(
        version=bundle_version(digests),
        base_version=facts.base_version,
        whole=facts.whole,
        score=head.kind,
        classes=facts.classes,
        of_entities=head.of_entities,
        files=digests,
        metrics={**facts.metrics, **differences},
        data=dict(facts.data),
        config=dict(facts.config),
    )
    told = manifest.model_dump_json(by_alias=True, indent=2).encode()
    publish(folder / manifest.version, {**files, MANIFEST_FILE: told})
    return manifest


def _graphs(
    head: TaskHead, trunk: Trunk, inputs: RandomInputs
) -> Iterator[tuple[GraphSpec, list[list[Tensor]]]]:
    """Each graph with inputs of every shape."""
    prompt = {name: {0: "B", 1: "T"} for name in ("entity_BTD", "fields_BTF")}
    yield (
        GraphSpec(
            name="user_encoder",
            module=trunk.user,
            inputs={**prompt, "length_B": {0: "B"}},
            outputs=("user_BP",),
        ),
        [[*inputs.draw("prompt", axes, 0), _lengths(axes)] for axes in SHAPES],
    )
    yield (
        GraphSpec(
            name="entity_encoder",
            module=trunk.entity,
            inputs={name: {0: "E"} for name in FEATURES},
            outputs=("entity_EP",),
        ),
        [inputs.draw("entity_tower", axes, 0) for axes in SHAPES],
    )
    names = ("user_XP", "entity_XP") if head.of_entities else ("user_XP",)
    generator, width = torch.Generator().manual_seed(0), trunk.user.user_OP.shape[1]
    yield (
        GraphSpec(
            name="task",
            module=head,
            inputs={name: {0: "X"} for name in names},
            outputs=("score_XK",),
        ),
        [[torch.randn(axes["X"], width, generator=generator) for _ in names] for axes in SHAPES],
    )


def _lengths(axes: Mapping[str, int]) -> Tensor:
    """From the whole length down to two: a prompt is profile and request at least."""
    lengths = np.linspace(axes["T"], 2, axes["B"]).round().astype(np.int64)
    return torch.from_numpy(lengths)


def _compared(spec: GraphSpec, graph: bytes, draws: Sequence[Sequence[Tensor]]) -> float:
    """Largest absolute difference from torch. Raises ParityError above DIFFERENCE_MAX."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    worst = 0.0
    for arguments in draws:
        expected = run_torch(spec, arguments)[spec.outputs[0]]
        fed = {name: a.numpy() for name, a in zip(spec.inputs, arguments, strict=True)}
        (found,) = session.run(None, fed)
        worst = max(worst, float(np.abs(found - expected).max()))
    if not worst <= DIFFERENCE_MAX:
        raise ParityError(
            f"{spec.name}.onnx differs from torch by {worst:.2e}, more than {DIFFERENCE_MAX:.0e}: "
            "nothing was published; fit with a lower learning rate"
        )
    return worst
