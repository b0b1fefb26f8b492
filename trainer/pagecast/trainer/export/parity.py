"""Are the exported graphs the model? Random inputs of many shapes through both.

Letters as in `graphs`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor

from pagecast.engine.bundles.checks import relative_error
from pagecast.featurestore.catalog.content import ContentVector, content_vector
from pagecast.featurestore.catalog.entity_metadata import content_features
from pagecast.featurestore.history.history import STEPS_MAX
from pagecast.featurestore.prompt.compression import STEPS_OF_A_GROUP
from pagecast.featurestore.prompt.context import CONTEXT_POSITIONS_MAX
from pagecast.featurestore.prompt.vocabulary import (
    FIELDS,
    ORIGINS_OF_ENTITY_MAX,
    PEOPLE_OF_ENTITY_MAX,
    Vocabulary,
)
from pagecast.trainer.config import HEAD_DIM
from pagecast.trainer.export.graphs import GraphSpec
from pagecast.trainer.network.model import PageModel

DIFFERENCE_MAX = 1e-4
"""Largest absolute difference between torch and an exported graph that is published."""

EXAMPLE = {"B": 2, "T": 7, "S": 3, "P": 9, "C": 12, "E": 5, "G": 6}
"""Axes of the inputs the export is traced with: all different, none 1."""

LONGEST = STEPS_MAX + 2 + CONTEXT_POSITIONS_MAX

_SHAPES: Mapping[str, Sequence[Mapping[str, int]]] = {
    "entity_tower": ({"E": 5}, {"E": 1}, {"E": 3}, {"E": 64}),
    "prompt": (
        {"B": 2, "T": 7, "G": 6},
        {"B": 1, "T": 2, "G": 0},
        {"B": 3, "T": 41, "G": 2},
        {"B": 1, "T": LONGEST, "G": 128},
    ),
    "decode": (
        {"B": 1, "S": 3, "P": 9, "C": 12},
        {"B": 1, "S": 1, "P": 2, "C": 3},
        {"B": 1, "S": 41, "P": 0, "C": 41},
        {"B": 1, "S": 11, "P": LONGEST + 100, "C": LONGEST + 111},
        {"B": 16, "S": 1, "P": 300, "C": 301},
    ),
    "heads": ({"B": 3}, {"B": 1}, {"B": 16}),
}
"""What each graph is compared at; the first is the canary's. Caches are full after the new tokens:
what lies beyond them means nothing (P past positions, C room in the cache, G groups of a model that
compresses)."""


def shapes_of(graph: str) -> Sequence[Mapping[str, int]]:
    """The axes a graph is compared at, by its name."""
    return _SHAPES[graph]


class ParityError(RuntimeError):
    """An exported graph differs from the model; nothing was published."""


@dataclass(frozen=True, kw_only=True)
class RandomInputs:
    """Draws inputs that a graph may meet."""

    model: PageModel
    vocabulary: Vocabulary

    def draw(self, graph: str, axes: Mapping[str, int], seed: int) -> list[Tensor]:
        """In the order of the graph's inputs."""
        rng = np.random.default_rng(seed)
        match graph:
            case "entity_tower":
                return self._tower(axes["E"], rng)
            case "prompt":
                return self._prompt(axes, rng)
            case "heads":
                return [_normal(rng, axes["B"], self.model.config.d_model)]
            case _:
                return self._decode(axes, rng)

    def _tower(self, entities: int, rng: np.random.Generator) -> list[Tensor]:
        tower = self.model.tower
        age_EA = rng.uniform(0.0, 10.0, (entities, 2)).astype(np.float32)
        genres_EG = rng.random((entities, tower.genre.in_features)) < 0.2
        features = content_features(
            [_content(self.vocabulary.embeddings, rng) for _ in range(entities)],
            self.vocabulary.embeddings,
        )
        columns = [
            rng.integers(0, len(self.vocabulary.entities) + 1, entities),
            rng.integers(0, tower.kind.num_embeddings, entities),
            genres_EG.astype(np.float32),
            rng.integers(0, tower.year.num_embeddings, entities),
            rng.integers(0, tower.language.num_embeddings, entities),
            rng.integers(0, tower.maturity.num_embeddings, entities),
            age_EA,
            rng.integers(0, len(self.vocabulary.origins) + 1, (entities, ORIGINS_OF_ENTITY_MAX)),
            rng.integers(0, len(self.vocabulary.people) + 1, (entities, PEOPLE_OF_ENTITY_MAX)),
            features["content_EC"],
            features["has_content_EN"],
        ]
        return [torch.from_numpy(column) for column in columns]

    def _prompt(self, axes: Mapping[str, int], rng: np.random.Generator) -> list[Tensor]:
        parts: list[tuple[int, ...]] = [(axes["B"], axes["T"])]
        if self.model.config.compress_keep:
            parts.append((axes["B"], axes["G"], STEPS_OF_A_GROUP))
        inputs = []
        for shape in parts:
            fields = rng.integers(0, self.vocabulary.field_sizes(), (*shape, len(FIELDS)))
            inputs += [_normal(rng, *shape, self.model.config.d_model), torch.from_numpy(fields)]
        return inputs

    def _decode(self, axes: Mapping[str, int], rng: np.random.Generator) -> list[Tensor]:
        config, last = self.model.config, axes["P"] + axes["S"] - 1
        cache = (axes["B"], config.kv_heads, axes["C"], HEAD_DIM)
        return [
            _normal(rng, axes["B"], axes["S"], config.d_model),
            torch.full((axes["B"],), last, dtype=torch.int32),
            torch.tensor(last + 1, dtype=torch.int32),
            *(_normal(rng, *cache) for _ in range(2 * config.layers)),
        ]


def compare(spec: GraphSpec, graph: bytes, inputs: RandomInputs) -> float:
    """Largest absolute difference over all shapes. Raises ParityError above DIFFERENCE_MAX."""
    worst = max(_difference(expected, value) for expected, value in _both(spec, graph, inputs))
    if not worst <= DIFFERENCE_MAX:
        raise ParityError(
            f"{spec.name}.onnx differs from torch by {worst:.2e}, more than {DIFFERENCE_MAX:.0e}: "
            "nothing was published; train with a lower learning rate or another torch version"
        )
    return worst


def rounding_error(spec: GraphSpec, graph: bytes, inputs: RandomInputs) -> float:
    """Largest relative error of a form with rounded weights, over all shapes; it refuses none.

    Serving does (`bundle_checks.INT8_ERROR_MAX`).
    """
    return max(relative_error(value, expected) for expected, value in _both(spec, graph, inputs))


def _both(
    spec: GraphSpec, graph: bytes, inputs: RandomInputs
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Each output of torch and of a graph, at all shapes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    for seed, axes in enumerate(shapes_of(spec.name)):
        arguments = inputs.draw(spec.name, axes, seed)
        expected = run_torch(spec, arguments)
        fed = {n: a.numpy() for n, a in zip(spec.inputs, arguments, strict=True)}
        for name, value in zip(spec.outputs, session.run(list(spec.outputs), fed), strict=True):
            yield expected[name], value


@torch.no_grad()
def run_torch(spec: GraphSpec, arguments: Sequence[Tensor]) -> dict[str, npt.NDArray[np.float32]]:
    """Outputs of the module by name."""
    outputs = spec.module(*arguments)
    if isinstance(outputs, Tensor):
        outputs = (outputs,)
    return {name: value.numpy() for name, value in zip(spec.outputs, outputs, strict=True)}


def _difference(expected: npt.NDArray[np.float32], value: npt.NDArray[np.float32]) -> float:
    if expected.shape != value.shape:
        return float("inf")
    difference = float(np.abs(expected - value).max())
    return difference if np.isfinite(difference) else float("inf")


def _content(
    embeddings: Sequence[tuple[str, int]], rng: np.random.Generator
) -> list[ContentVector]:
    """Content embeddings of one entity; every other one is missing."""
    vectors = (content_vector(name, rng.normal(size=size)) for name, size in embeddings)
    return [v for v in vectors if v is not None and rng.random() < 0.5]


def _normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))
